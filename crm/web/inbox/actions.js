// What a person does: each a call or two of the public API, and its effect on the state.
import { ApiError, Offline, call } from "./api.js";
import { has } from "./doors.js";
import { readConversation } from "./reading.js";
import { chat, drop, found, merge, on, pretend, put, settle, state, tell } from "./state.js";
import { say } from "./words.js";

const SOON = 3000; // milliseconds before a send that nobody answered is repeated

// --- a conversation -----------------------------------------------------------------------------------------------

// A change of one conversation, answered with it as it is then; what the socket told meanwhile is newer. Tells what
// went wrong and throws it.
async function change(id, what, body, method = "POST") {
  const before = state.conversations.get(id);
  try {
    const answer = await call(method, `/api/conversations/${id}${what}`, { body });
    if (state.conversations.get(id) !== before) return answer;
    if (answer?.contact) put(answer);
    else if (method !== "DELETE") await readConversation(id);
    return answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) drop(id);
    if (error.code === "already_assigned") await tooLate(id, error);
    tell("trouble", error);
    throw error;
  }
}

// Somebody was quicker: the sentence says who, and the page shows it (or that it is out of sight now).
async function tooLate(id, error) {
  const name = error.problem.assignedTo?.name;
  if (name) error.message = say(`${name} assumiu a conversa antes.`, `${name} took the conversation first.`);
  await readConversation(id).catch(() => drop(id));
}

export const markRead = (id) => change(id, "/read");
export const markUnread = (id) => change(id, "/unread");
export const archive = (id) => change(id, "/archive");
export const unarchive = (id) => change(id, "/unarchive");
export const close = (id) => change(id, "/close");
export const reopen = (id) => change(id, "/reopen");
export const snooze = (id, until) => change(id, "/snooze", { until });
export const unsnooze = (id) => change(id, "/unsnooze");
export const assign = (id, to) => change(id, "/assign", to);
export const tag = (id, tags) => change(id, "", { tags }, "PATCH");

// Take it: atomic where the API has `claim`, so that of two people one gets it and the other is told who.
export function claim(id) {
  return has("POST", "/api/conversations/{id}/claim") ? change(id, "/claim") : assign(id, { userId: state.me.id });
}

export async function note(id, content, mentions) {
  const entry = await call("POST", `/api/conversations/${id}/notes`, {
    body: { content, ...(mentions.length ? { mentions } : {}) },
  });
  const known = chat(id);
  known.entries = [entry, ...known.entries.filter((one) => one.id !== entry.id)];
  tell("messages", id);
}

// --- sending ------------------------------------------------------------------------------------------------------

const lines = new Map(); // conversation id -> the last of what is on its way there: one behind the other

// Shown at once and sent until somebody has answered: the client id makes repeating safe. Resolves with the message,
// or null when it was refused.
export function send(id, message) {
  const clientMessageId = newId();
  const local = pretend(id, { type: "text", ...message.shown, replyTo: message.body.replyTo, clientMessageId });
  const sent = Promise.resolve(lines.get(id)).then(() => deliver(local, { ...message.body, clientMessageId }));
  lines.set(id, sent);
  return sent;
}

const PASSES = [429, 502, 503, 504];

async function deliver(local, body) {
  local.again = () => deliver(replaced(local, { failed: null }), body);
  local.discard = () => settle(local, null);
  for (;;) {
    try {
      const message = await call("POST", `/api/conversations/${local.conversationId}/messages`, { body });
      settle(local, message);
      return message;
    } catch (error) {
      if (error instanceof Offline || PASSES.includes(error.status)) {
        await soon((error.retryAfter ?? 0) * 1000 || SOON);
        continue;
      }
      replaced(local, { failed: error.errors?.[0]?.message ?? error.message });
      if (error.code === "window_closed") void readConversation(local.conversationId);
      return null;
    }
  }
}

const waiting = new Set(); // what goes on after a moment, or as soon as the connection is back

function soon(ms) {
  return new Promise((resolve) => {
    const now = () => {
      clearTimeout(timer);
      waiting.delete(now);
      resolve();
    };
    const timer = setTimeout(now, ms);
    waiting.add(now);
  });
}

on("connection", () => {
  if (state.connection === "online") for (const now of [...waiting]) now();
});

function replaced(local, with_) {
  Object.assign(local, with_);
  const there = chat(local.conversationId).messages.some((one) => one.id === local.id);
  if (there) merge(local.conversationId, [{ ...local }]);
  return local;
}

function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function upload(file) {
  const form = new FormData();
  form.append("file", file, file.name);
  return call("POST", "/api/media", { form, seconds: 600, headers: { "Idempotency-Key": newId() } });
}

async function decide(message, method, what) {
  const before = found(message);
  try {
    const answer = await call(method, `/api/messages/${message.id}${what}`);
    if (answer && found(message) === before) merge(message.conversationId, [answer]);
  } catch (error) {
    tell("trouble", error);
  }
}

export const retry = (message) => decide(message, "POST", "/retry");
export const arrived = (message) => decide(message, "POST", "/arrived");
export const cancel = (message) => decide(message, "DELETE", "");

export async function react(message, emoji) {
  const body = { type: "reaction", reaction: { messageId: message.id, emoji } };
  await call("POST", `/api/conversations/${message.conversationId}/messages`, { body }).catch((error) =>
    tell("trouble", error),
  );
}

let meanings = null;

// What a failed message's code means and what helps, in this person's language.
export async function meaning(code) {
  meanings ??= call("GET", "/api/meta-errors")
    .then(({ data }) => data)
    .catch(() => (meanings = null));
  const found = ((await meanings) ?? []).find((one) => code >= one.code && code <= (one.upTo ?? one.code));
  return found?.words[say("pt-BR", "en")] ?? null;
}
