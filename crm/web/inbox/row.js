// One conversation as a row of the list.
import { avatar, el, icon } from "./dom.js";
import { ahead, brief, phone, remaining } from "./format.js";
import { snoozed, state } from "./state.js";
import { ticks } from "./ticks.js";
import { say } from "./words.js";

export const nameOf = (conversation) =>
  conversation.contact.name || phone(conversation.contact.phone) || say("Sem nome", "No name");

export function row(conversation) {
  const { id, contact, assignedTo, unreadCount, lastMessage, lastMessageAt } = conversation;
  const left = windowLeft(conversation);
  const alert = unreadCount > 0;
  return el(
    "li",
    { class: `row${alert ? " unread" : ""}`, data: { id } },
    el(
      "a",
      { href: `#/c/${id}`, "aria-current": state.open === id ? "true" : null },
      avatar(contact.name, contact.id),
      el("span", { class: "name" }, nameOf(conversation)),
      el("time", { dateTime: lastMessageAt, class: "at" }, brief(lastMessageAt)),
      el(
        "span",
        { class: "preview" },
        lastMessage?.direction === "OUTBOUND" && ticks(lastMessage.status),
        lastMessage?.preview?.replace(/\s+/g, " ") ?? say("Nenhuma mensagem", "No message yet"),
      ),
      alert &&
        el(
          "span",
          { class: "badge", "aria-label": say(`${unreadCount} não lidas`, `${unreadCount} unread`) },
          unreadCount > 99 ? "99+" : unreadCount,
        ),
      el(
        "span",
        { class: "facts" },
        conversation.status === "CLOSED" && fact("check", say("encerrada", "closed")),
        conversation.status === "PENDING" && putOff(conversation),
        assignedTo && assignedTo.id !== state.me.id && fact("person", assignedTo.name),
        conversation.department && fact("team", conversation.department.name),
        conversation.tags.slice(0, 2).map((name) => tagOf(name)),
        left && fact("hourglass", left, "urgent"),
      ),
    ),
  );
}

function putOff(conversation) {
  if (!snoozed(conversation)) return fact("clock", say("pendente", "pending"));
  const until = ahead(conversation.snoozedUntil);
  return fact("snooze", say(`até ${until}`, `until ${until}`));
}

function fact(name, text, kind = "") {
  return el("span", { class: `fact ${kind}` }, icon(name), text);
}

// A tag with the hotel's colour as a dot (on any colour a text could not be read), or in one of ours by its name.
export function tagOf(name, ...more) {
  const color = state.tags.find((tag) => tag.name === name)?.color;
  const dot = color ? el("i") : null;
  if (dot) dot.style.background = color;
  const tone = [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 997, 3) % 6;
  return el("span", { class: color ? "tag" : `tag tone${tone}` }, dot, name, more);
}

// Only what is close to its end is worth a place in the list.
export function windowLeft({ windowExpiresAt, status }) {
  const hours = windowExpiresAt ? (new Date(windowExpiresAt) - Date.now()) / 3_600_000 : 0;
  return status === "OPEN" && hours > 0 && hours < 3 ? remaining(windowExpiresAt) : null;
}
