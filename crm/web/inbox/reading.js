// What the page reads of the public API, and how that meets what the socket tells meanwhile.
import { ApiError, call } from "./api.js";
import { has } from "./doors.js";
import { chat, meet, merge, on, put, state, tell } from "./state.js";

const PAGE = 40;
const SOON = 3000; // milliseconds in which changes of a total are counted together

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
    for (const one of told) {
      if (!list.ids.includes(one.id)) state.conversations.delete(one.id); // whether the total has it nobody can tell
      put(one);
    }
  } catch (error) {
    if (mine === reading) list.failed = error;
  } finally {
    if (mine === reading) list.loading = false;
    tell("list");
  }
}

on("connection", () => {
  if (state.connection === "online" && state.list.failed) void readList();
});

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
    has("GET", "/api/people") &&
      quietly(
        call("GET", "/api/people").then(({ data }) => {
          data.forEach(meet);
          state.team = new Set(data.map(({ id }) => id));
        }),
      ),
  ]);
  tell("house");
}

// --- a conversation -----------------------------------------------------------------------------------------------

// What the socket told meanwhile is newer.
export async function readConversation(id) {
  const before = state.conversations.get(id);
  const conversation = await call("GET", `/api/conversations/${id}`);
  if (state.conversations.get(id) === before) put(conversation);
}

// Some messages. What the socket tells of one of them meanwhile is newer than the page: merge() applies it behind it.
async function readPage(id, place) {
  const known = chat(id);
  known.reading += 1;
  try {
    return await call("GET", `/api/conversations/${id}/messages`, { query: { limit: 50, ...place } });
  } catch (error) {
    known.early = [];
    throw error;
  } finally {
    known.reading -= 1;
  }
}

// The newest messages (or those from `at` on), then what else happened in the conversation. False when another end was
// asked for meanwhile: then nothing changes.
export async function readChat(id, { at } = {}) {
  const known = chat(id);
  const before = new Set(known.messages);
  const turn = ++known.turn;
  const page = await readPage(id, { at });
  if (turn !== known.turn) return false;
  // What the socket told meanwhile is newer than the page.
  const kept = known.messages.filter((one) => one.status === "LOCAL" || (!at && !before.has(one)));
  const { nextCursor: older, prevCursor: newer } = page.pagination;
  Object.assign(known, { messages: [], older, newer, loaded: true, tail: !at });
  merge(id, [...page.data, ...kept]);
  await readEntries(id, true);
  return true;
}

export async function readOlder(id) {
  const known = chat(id);
  if (known.loading || !known.older) return;
  known.loading = true;
  const { turn } = known;
  try {
    const page = await readPage(id, { before: known.older });
    if (turn !== known.turn) return;
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
  const { turn } = known;
  try {
    const page = await readPage(id, { after: known.newer });
    if (turn !== known.turn) return;
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
    const read = new Set(page.data.map((entry) => entry.id));
    known.entries = [...known.entries.filter((entry) => !read.has(entry.id)), ...page.data];
    for (const { by } of page.data) meet(by);
    known.olderEntries = page.pagination.nextCursor ?? null;
  }
  tell("messages", id);
}
