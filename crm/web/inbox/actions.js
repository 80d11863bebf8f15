// What a person does and what the page reads: each a call or two of the public API, and its effect on the state.
import { ApiError, Offline, call } from "./api.js";
import { has } from "./doors.js";
import { chat, drop, found, meet, merge, on, pretend, put, settle, state, tell } from "./state.js";
import { say } from "./words.js";

const PAGE = 40;
const SOON = 3000; // milliseconds before a send that nobody answered is repeated

// --- the list -----------------------------------------------------------------------------------------------------

function query(filter) {
  const view = {
    mine: { assignedTo: "me", status: "OPEN" },
    unassigned: { assignedTo: "none", status: "OPEN" },
    all: {},
    pending: { status: "PENDING" },
    closed: { status: "CLOSED" },
    archived: { archived: true },
  }[filter.view];
  const { unread, search, tag, departmentId } = filter;
  return { ...(search && filter.view !== "archived" ? {} : view), unread, search, tag, departmentId, limit: PAGE };
}

let reading = 0;

// Reads the list from its start, or (`more`) its next page.
export async function readList(more = false) {
  const { list } = state;
  if (more && (list.loading || !list.cursor)) return;
  const mine = ++reading;
  if (!more) Object.assign(list, { loading: true, failed: null });
  list.loading = true;
  tell("list");
  const before = new Set(state.conversations.values());
  try {
    const page = await call("GET", "/api/conversations", {
      query: { ...query(list.filter), cursor: more ? list.cursor : null },
    });
    if (mine !== reading) return;
    const told = [...state.conversations.values()].filter((one) => !before.has(one)); // by the socket, meanwhile
    for (const conversation of page.data) {
      state.conversations.set(conversation.id, conversation);
      meet(conversation.assignedTo);
    }
    const ids = page.data.map((conversation) => conversation.id);
    list.ids = more ? [...new Set([...list.ids, ...ids])] : ids;
    list.cursor = page.pagination.nextCursor;
    list.total = Math.max(page.pagination.total ?? list.total, list.ids.length);
    told.forEach(put);
  } catch (error) {
    if (mine === reading) list.failed = error;
  } finally {
    if (mine === reading) list.loading = false;
    tell("list");
  }
}

let counting = null;

// A total that nobody here can tell is read again, once for all that happens meanwhile.
on("uncertain", () => {
  counting ??= setTimeout(countList, SOON);
});

async function countList() {
  counting = null;
  const { list } = state;
  const asked = { query: { ...query(list.filter), limit: 1 } };
  const page = await call("GET", "/api/conversations", asked).catch(() => null);
  if (!page || state.list !== list) return; // the next reading tells
  list.total = Math.max(page.pagination.total, list.ids.length);
  tell("list");
}

export function filter(change) {
  state.list = {
    filter: { ...state.list.filter, ...change },
    ids: [],
    cursor: null,
    total: 0,
    loading: false,
    failed: null,
  };
  return readList();
}

export async function countUnread() {
  if (has("GET", "/api/unread")) state.unread = await call("GET", "/api/unread");
  else {
    const page = await call("GET", "/api/conversations", { query: { unread: true, limit: 1 } });
    state.unread = { total: page.pagination.total };
  }
  tell("unread");
}

export async function learnHouse() {
  const quietly = (reading) => reading.catch((error) => error instanceof ApiError || Promise.reject(error));
  state.people.set(state.me.id, state.me.name);
  await Promise.all([
    has("GET", "/api/departments") &&
      quietly(
        call("GET", "/api/departments").then(({ data }) => {
          state.departments = data;
          for (const { members } of data) members.forEach(meet);
        }),
      ),
    has("GET", "/api/tags") && quietly(call("GET", "/api/tags").then(({ data }) => (state.tags = data))),
    has("GET", "/api/people") && quietly(call("GET", "/api/people").then(({ data }) => data.forEach(meet))),
  ]);
  tell("house");
}

// --- a conversation -----------------------------------------------------------------------------------------------

export async function readConversation(id) {
  put(await call("GET", `/api/conversations/${id}`));
}

// The newest messages (or those from `at` on), then what else happened in the conversation.
export async function readChat(id, { at } = {}) {
  const known = chat(id);
  const before = new Set(known.messages);
  known.reading = true;
  const page = await call("GET", `/api/conversations/${id}/messages`, { query: { limit: 50, at } }).finally(() => {
    known.reading = false;
  });
  // What the socket told meanwhile is newer than the page.
  const kept = known.messages.filter((one) => one.status === "LOCAL" || (!at && !before.has(one)));
  const { nextCursor: older, prevCursor: newer } = page.pagination;
  Object.assign(known, { messages: [], older, newer, loaded: true, tail: !at });
  merge(id, [...page.data, ...kept]);
  await readEntries(id, true);
}

export async function readOlder(id) {
  const known = chat(id);
  if (known.loading || !known.older) return;
  known.loading = true;
  try {
    const page = await call("GET", `/api/conversations/${id}/messages`, {
      query: { limit: 50, before: known.older },
    });
    known.older = page.pagination.nextCursor;
    merge(id, page.data);
    await readEntries(id);
  } finally {
    known.loading = false;
  }
}

export async function readNewer(id) {
  const known = chat(id);
  if (known.loading || known.tail) return;
  known.loading = true;
  try {
    const page = await call("GET", `/api/conversations/${id}/messages`, {
      query: { limit: 50, after: known.newer },
    });
    known.newer = page.pagination.prevCursor ?? known.newer;
    known.tail = page.data.length < 50;
    merge(id, page.data);
  } finally {
    known.loading = false;
  }
}

// Notes and changes, as far back as the messages on the screen go.
async function readEntries(id, anew = false) {
  if (!has("GET", "/api/conversations/{id}/timeline")) return;
  const known = chat(id);
  if (anew) Object.assign(known, { entries: [], olderEntries: undefined });
  const oldest = known.older ? known.messages[0]?.createdAt : "";
  const covered = () => known.entries.some((entry) => entry.at <= oldest);
  while (known.olderEntries !== null && !covered()) {
    const page = await call("GET", `/api/conversations/${id}/timeline`, {
      query: { cursor: known.olderEntries, limit: 50 },
    });
    known.entries = [...known.entries, ...page.data];
    for (const { by } of page.data) meet(by);
    known.olderEntries = page.pagination.nextCursor ?? null;
  }
  tell("messages", id);
}

// A change of one conversation, answered with it as it is then. Tells what went wrong and throws it.
async function change(id, what, body, method = "POST") {
  try {
    const answer = await call(method, `/api/conversations/${id}${what}`, { body });
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

// Shown at once and sent until somebody has answered: the client id makes repeating safe.
export async function send(id, message) {
  const clientMessageId = newId();
  const local = pretend(id, { type: "text", ...message.shown, replyTo: message.body.replyTo, clientMessageId });
  return deliver(local, { ...message.body, clientMessageId });
}

async function deliver(local, body) {
  local.again = () => deliver(replaced(local, { failed: null }), body);
  local.discard = () => settle(local, null);
  try {
    settle(local, await call("POST", `/api/conversations/${local.conversationId}/messages`, { body }));
  } catch (error) {
    const passes = error instanceof Offline || error.status === 503 || error.status === 429;
    if (passes) return soon(() => local.again(), (error.retryAfter ?? 0) * 1000 || SOON);
    replaced(local, { failed: error.errors?.[0]?.message ?? error.message });
    if (error.code === "window_closed") void readConversation(local.conversationId);
  }
  return undefined;
}

const waiting = new Set(); // what goes on after a moment, or as soon as the connection is back

function soon(work, ms) {
  const now = () => {
    clearTimeout(timer);
    if (waiting.delete(now)) work();
  };
  const timer = setTimeout(now, ms);
  waiting.add(now);
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
