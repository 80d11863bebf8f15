// One mark for each status a message of ours can have.
import { el, icon } from "./dom.js";
import { say } from "./words.js";

const MARKS = () => ({
  LOCAL: ["clock", say("Enviando", "Sending")],
  SCHEDULED: ["clock", say("Agendada", "Scheduled")],
  QUEUED: ["clock", say("Na fila", "Queued")],
  SENDING: ["clock", say("Enviando", "Sending")],
  UNCERTAIN: ["question", say("Não se sabe se chegou", "Unknown whether it arrived"), "warn"],
  SENT: ["tick", say("Enviada", "Sent")],
  DELIVERED: ["ticks", say("Entregue", "Delivered")],
  READ: ["ticks", say("Lida", "Read"), "read"],
  PLAYED: ["ticks", say("Ouvida", "Played"), "read"],
  FAILED: ["warning", say("Não enviada", "Not sent"), "bad"],
  CANCELED: ["cross", say("Cancelada", "Canceled")],
});

export function ticks(status) {
  const [name, label, kind = ""] = MARKS()[status] ?? ["clock", status];
  return el(
    "span",
    { class: `ticks ${kind}`, role: "img", "aria-label": label, title: label, data: { status } },
    icon(name),
  );
}
