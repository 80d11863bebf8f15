// What is to be seen in the log of a conversation: days, messages, notes and changes, the line above what is unread.
import { bubble, isSilent } from "./bubble.js";
import { el } from "./dom.js";
import { entryNode } from "./entries.js";
import { day, dayKey } from "./format.js";
import { say } from "./words.js";

// [key, source, draw, how: first of its author, with what it quotes], in order.
export function itemsOf({ messages, entries, older, olderEntries }, unreadFrom, composer) {
  const items = [];
  let last = { day: "", from: "", at: 0 };
  const oldest = older ? (messages[0]?.createdAt ?? "") : "";
  const all = [
    ...messages.filter((message) => !isSilent(message)).map((message) => ({ at: message.createdAt, message })),
    ...entries.filter(({ at }) => at >= oldest).map((entry) => ({ at: entry.at, entry })),
  ].sort((one, other) => one.at.localeCompare(other.at));
  if (!older && olderEntries !== undefined && !all.length)
    items.push([
      "none",
      "",
      () => el("li", { class: "line" }, say("Ainda não há mensagens.", "There are no messages yet.")),
    ]);
  const here = new Set(messages.map(({ id }) => id));
  for (const { at, message, entry } of all) {
    if (dayKey(at) !== last.day) {
      const title = day(at);
      items.push([`day ${dayKey(at)}`, title, () => el("li", { class: "day" }, el("span", {}, title))]);
      last = { day: dayKey(at), from: "", at: 0 };
    }
    if (entry) {
      items.push([entry.id, entry, () => entryNode(entry)]);
      last.from = "";
      continue;
    }
    if (message.id === unreadFrom)
      items.push([
        "unread",
        "",
        () => el("li", { class: "unread-line" }, el("span", {}, say("Não lidas", "Unread"))),
      ]);
    const from = `${message.direction}${message.sentBy}${message.origin}`;
    const first = from !== last.from || new Date(at) - last.at > 300_000;
    last = { day: last.day, from, at: new Date(at) };
    items.push([
      message.id,
      message,
      () =>
        bubble(message, {
          first,
          reply: (one) => composer.reply(one),
          template: () => composer.template(),
        }),
      `${first} ${here.has(message.replyTo)}`, // what it quotes may be read later
    ]);
  }
  return items;
}
