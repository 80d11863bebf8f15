// Above a conversation: whom it is with, who has it, how long the window is open, what can be done with it.
import { archive, claim, close, markUnread, reopen, unarchive, unsnooze } from "./actions.js";
import { chooseSnooze, chooseTransfer } from "./details.js";
import { menu } from "./dialogs.js";
import { avatar, el, icon, tool } from "./dom.js";
import { has } from "./doors.js";
import { moment, phone, remaining } from "./format.js";
import { nameOf } from "./row.js";
import { chat, snoozed, state } from "./state.js";
import { say } from "./words.js";

const door = (what) => has("POST", `/api/conversations/{id}/${what}`);

// `doing` is what leads away from here: back() to the list, details() beside.
export function headOf(conversation, presence, doing) {
  const { contact } = conversation;
  return [
    tool("back", say("Voltar à lista", "Back to the list"), doing.back, { class: "tool back" }),
    avatar(contact.name, contact.id),
    el("div", { class: "who" }, el("h2", {}, nameOf(conversation)), el("p", {}, presence || phone(contact.phone))),
    windowChip(conversation),
    holder(conversation),
    tool("more", say("Mais ações", "More actions"), (event) => actions(event.currentTarget, conversation, doing)),
    tool("info", say("Detalhes", "Details"), doing.details, { class: "tool info" }),
  ];
}

function holder({ id, assignedTo, status }) {
  if (!assignedTo && status !== "CLOSED") {
    return el(
      "button",
      { type: "button", class: "main small", onclick: () => claim(id).catch(() => {}) },
      say("Assumir", "Take it"),
    );
  }
  const title = assignedTo && say(`Responsável: ${assignedTo.name}`, `Assigned to ${assignedTo.name}`);
  return (
    assignedTo &&
    el(
      "span",
      { class: "assignee", title },
      icon("person"),
      assignedTo.id === state.me.id ? say("Você", "You") : assignedTo.name,
    )
  );
}

export function presenceOf(id) {
  const { typing, viewers } = chat(id);
  const writing = [...typing.values()].filter(({ until }) => until > Date.now()).map(({ name }) => name);
  if (writing.length) return say(`${writing.join(", ")} está escrevendo…`, `${writing.join(", ")} is typing…`);
  const others = [
    ...new Map(
      viewers.filter(({ userId }) => userId !== state.me.id).map(({ userId, name }) => [userId, name]),
    ).values(),
  ];
  return others.length ? say(`${others.join(", ")} também está aqui`, `${others.join(", ")} is here too`) : "";
}

function actions(button, conversation, { back, details }) {
  const { id } = conversation;
  const closed = conversation.status === "CLOSED";
  const quietly = (work) => () => work(id).catch(() => {});
  menu(button, [
    { icon: "transfer", text: say("Transferir…", "Transfer…"), act: () => chooseTransfer(conversation) },
    {
      icon: "unread",
      text: say("Marcar como não lida", "Mark as unread"),
      act: () => markUnread(id).then(() => state.open === id && back(), () => {}),
    },
    door("snooze") &&
      (snoozed(conversation)
        ? { icon: "snooze", text: say("Trazer de volta agora", "Bring back now"), act: quietly(unsnooze) }
        : { icon: "snooze", text: say("Adiar…", "Snooze…"), act: () => chooseSnooze(id) }),
    door("close") && !closed && { icon: "check", text: say("Encerrar", "Close"), act: quietly(close) },
    door("reopen") && closed && { icon: "reply", text: say("Reabrir", "Reopen"), act: quietly(reopen) },
    door("archive") &&
      (conversation.archived
        ? { icon: "archive", text: say("Desarquivar", "Unarchive"), act: quietly(unarchive) }
        : { icon: "archive", text: say("Arquivar", "Archive"), act: quietly(archive) }),
    { icon: "info", text: say("Detalhes", "Details"), act: details },
  ]);
}

function windowChip({ windowExpiresAt, status }) {
  const left = windowExpiresAt && remaining(windowExpiresAt);
  if (status === "CLOSED") return el("span", { class: "window" }, icon("check"), say("Encerrada", "Closed"));
  const hours = left ? (new Date(windowExpiresAt) - Date.now()) / 3_600_000 : 0;
  const kind = hours <= 0 ? "over" : hours < 3 ? "soon" : "";
  const label = left
    ? say(
        `Pode responder livremente até ${moment(windowExpiresAt)}`,
        `You may answer freely until ${moment(windowExpiresAt)}`,
      )
    : say("A janela de 24 horas está fechada: só modelos", "The 24-hour window is closed: templates only");
  return el(
    "span",
    { class: `window ${kind}`, title: label, "aria-label": label, role: "img" },
    icon("hourglass"),
    el("span", {}, left ?? say("fechada", "closed")),
  );
}
