// What calls a person back to this page: the number in its title, and the browser's notifications.
import { notice } from "./dialogs.js";
import { countUnread } from "./reading.js";
import { nameOf } from "./row.js";
import { on, state } from "./state.js";
import { say } from "./words.js";

export const canNotify = () => "Notification" in globalThis && Notification.permission !== "denied";
export const notifies = () => "Notification" in globalThis && Notification.permission === "granted";

let [counting, again] = [false, false];

// Once for all that happens in a moment, and never two at a time: the older answer could come last.
async function count() {
  again = true;
  if (counting) return;
  counting = true;
  while (again) {
    await new Promise((resolve) => setTimeout(resolve, 400));
    again = false;
    await countUnread().catch(() => {});
  }
  counting = false;
}

export function startAlerts() {
  void count();
  on("conversation", count);
  on("unread", entitle);
  on("arrived", told);
  on(
    "event",
    ({ event, data }) => event === "timeline:new" && data.entry.mentions?.includes(state.me.id) && named(data),
  );
}

function entitle() {
  const { total = 0, mine = total } = state.unread ?? {};
  const waiting = mine + (state.unread?.unassigned ?? 0) || total;
  document.title = `${waiting ? `(${waiting}) ` : ""}${state.hotel.name} · ${say("Recepção", "Front desk")}`;
}

function told(message) {
  const conversation = state.conversations.get(message.conversationId);
  const concerns = !conversation?.assignedTo || conversation.assignedTo.id === state.me.id;
  if (message.direction !== "INBOUND" || message.type === "reaction" || message.origin === "HISTORY" || !concerns)
    return;
  show(
    conversation ? nameOf(conversation) : say("Nova mensagem", "New message"),
    message.content ?? "",
    message.conversationId,
  );
}

function named({ entry, conversationId }) {
  const title = say(
    `${entry.by?.name ?? "O sistema"} chamou você em uma nota`,
    `${entry.by?.name ?? "The system"} named you in a note`,
  );
  if (state.open !== conversationId) notice(title);
  show(title, entry.content ?? "", conversationId);
}

function show(title, body, conversation) {
  if (!notifies() || (document.hasFocus() && !document.hidden)) return;
  const shown = new Notification(title, {
    body: body.slice(0, 140),
    tag: conversation,
    icon: "/inbox/mark.svg",
    lang: document.documentElement.lang,
  });
  shown.onclick = () => {
    focus();
    location.hash = `#/c/${conversation}`;
    shown.close();
  };
}
