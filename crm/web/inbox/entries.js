// What stands between the messages: notes the team left, and what somebody did with the conversation.
import { el, icon, linked } from "./dom.js";
import { moment, time } from "./format.js";
import { state } from "./state.js";
import { say } from "./words.js";

export function entryNode(entry) {
  const by = entry.by?.name ?? say("Sistema", "System");
  if (entry.type === "note") {
    return el(
      "li",
      { class: "note" },
      el(
        "p",
        { class: "note-head" },
        icon("note"),
        el("strong", {}, by),
        say("nota interna", "internal note"),
        el("time", { dateTime: entry.at }, time(entry.at)),
      ),
      el("p", { class: "words" }, linked(entry.content ?? "")),
    );
  }
  return el(
    "li",
    { class: "line" },
    el("span", {}, happened(entry, by), " · ", time(entry.at)),
    entry.content && el("q", {}, entry.content),
  );
}

function happened(entry, by) {
  const { type, data = {} } = entry;
  const to =
    data.to?.name ??
    data.userName ??
    data.name ??
    data.departmentName ??
    state.people.get(data.userId) ??
    state.departments.find(({ id }) => id === data.departmentId)?.name;
  const known = {
    claimed: [`${by} assumiu a conversa`, `${by} took the conversation`],
    assigned:
      data.userId === entry.by?.id
        ? [`${by} assumiu a conversa`, `${by} took the conversation`]
        : to
          ? [`${by} passou a conversa a ${to}`, `${by} gave the conversation to ${to}`]
          : [`${by} deixou a conversa sem responsável`, `${by} left the conversation to nobody`],
    transferred:
      data.departmentId === null
        ? [`${by} tirou a conversa do setor`, `${by} took the conversation out of its department`]
        : [
            `${by} transferiu a conversa${to ? ` para ${to}` : ""}`,
            `${by} transferred the conversation${to ? ` to ${to}` : ""}`,
          ],
    closed: [`${by} encerrou a conversa`, `${by} closed the conversation`],
    reopened: [`${by} reabriu a conversa`, `${by} reopened the conversation`],
    archived: [`${by} arquivou a conversa`, `${by} archived the conversation`],
    unarchived: [`${by} desarquivou a conversa`, `${by} unarchived the conversation`],
    snoozed: [
      `${by} adiou a conversa${data.until ? ` até ${moment(data.until)}` : ""}`,
      `${by} snoozed the conversation${data.until ? ` until ${moment(data.until)}` : ""}`,
    ],
    unsnoozed: ["A conversa voltou", "The conversation came back"],
    tagged: [`${by} mudou as etiquetas`, `${by} changed the tags`],
  }[type] ?? [`${by}: ${type}`, `${by}: ${type}`];
  return say(...known);
}
