// What the page knows, and what each event of the socket does to it. Views read `state` and listen with on().
import { calmly } from "./press.js";

export const state = {
  me: null,
  hotel: null,
  connection: "connecting",
  conversations: new Map(), // id -> conversation, whatever list it was seen in
  list: { filter: { view: "mine" }, ids: [], cursor: null, total: 0, loading: false, failed: null },
  chats: new Map(), // id -> what chat() makes
  open: null, // the id of the conversation on the screen
  people: new Map(), // id -> name
  team: null, // the ids of those who work here now, where the API tells them
  departments: [],
  tags: [],
  unread: null, // {total, mine, unassigned}
};

const listeners = new Map();

export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(listener);
}

export function tell(topic, detail) {
  calmly(() => {
    for (const listener of listeners.get(topic) ?? []) listener(detail);
  });
}

// --- conversations ------------------------------------------------------------------------------------------------

// Where a conversation belongs by the list's own filters. What only the server can judge (search, tags of a
// department's people) is left to the next reading of the list.
export function belongs(conversation, filter = state.list.filter) {
  const mine = conversation.assignedTo?.id === state.me.id;
  const open = !conversation.archived && conversation.status === "OPEN" && !snoozed(conversation);
  const view = {
    mine: () => open && mine,
    unassigned: () => open && !conversation.assignedTo,
    all: () => !conversation.archived,
    pending: () => !conversation.archived && conversation.status === "PENDING",
    closed: () => !conversation.archived && conversation.status === "CLOSED",
    archived: () => conversation.archived,
  }[filter.view];
  return (
    view() &&
    !filter.search &&
    (!filter.unread || conversation.unreadCount > 0) &&
    (!filter.tag || conversation.tags.includes(filter.tag)) &&
    (!filter.departmentId || conversation.department?.id === filter.departmentId)
  );
}

export const snoozed = (conversation) =>
  Boolean(conversation.snoozedUntil && new Date(conversation.snoozedUntil) > new Date());

const newestFirst = (one, other) =>
  other.lastMessageAt.localeCompare(one.lastMessageAt) || other.id.localeCompare(one.id);

// Who left the hotel is in no list of people any more, and still has a name where it was met.
export function meet(person) {
  if (person?.name) state.people.set(person.id, person.name);
}

// Who can be given something: [id, name].
export const team = () => [...state.people].filter(([id]) => !state.team || state.team.has(id));

export function put(conversation) {
  const was = counted(conversation.id);
  state.conversations.set(conversation.id, conversation);
  meet(conversation.assignedTo);
  place(conversation, was);
  tell("conversation", conversation);
}

// Whether the list's total has a conversation in it. Undefined: it may stand among those that are not loaded yet.
function counted(id) {
  const former = state.conversations.get(id);
  if (state.list.ids.includes(id) || !state.list.cursor) return state.list.ids.includes(id);
  return former && belongs(former);
}

// Into the list, out of it, or to another place in it. What is older than the last loaded one comes with its page.
function place(conversation, was) {
  const list = state.list;
  const had = list.ids.includes(conversation.id);
  if (list.filter.search && had) return tell("list");
  const others = list.ids.filter((id) => id !== conversation.id);
  const shown = belongs(conversation);
  const last = state.conversations.get(list.ids.at(-1));
  const within = had || !list.cursor || (last && newestFirst(conversation, last) < 0);
  if (shown && within) {
    const at = others.findIndex((id) => newestFirst(conversation, state.conversations.get(id)) < 0);
    others.splice(at < 0 ? others.length : at, 0, conversation.id);
  }
  if (was === undefined) tell("uncertain");
  else list.total += (shown ? 1 : 0) - (was ? 1 : 0);
  list.ids = others;
  tell("list");
}

export function drop(id) {
  if (counted(id)) state.list.total -= 1;
  state.conversations.delete(id);
  state.chats.delete(id);
  state.list.ids = state.list.ids.filter((one) => one !== id);
  tell("list");
  tell("gone", id);
}

// --- messages -----------------------------------------------------------------------------------------------------

// A conversation's messages, oldest first. `tail`: its end is the newest there is, so live ones are appended.
export function chat(id) {
  if (!state.chats.has(id)) {
    state.chats.set(id, {
      id,
      messages: [],
      older: null,
      newer: null,
      tail: true,
      loaded: false,
      loading: false, // what is older, or newer
      reading: 0, // pages on their way
      early: [], // events of messages that may come with them
      entries: [],
      olderEntries: null,
      viewers: [],
      typing: new Map(),
      unreadFrom: null,
      draft: null,
      note: "", // begun and not kept
      files: [], // put beside a message that was begun
      turn: 0, // of the readings from one end
      replyTo: null,
    });
  }
  return state.chats.get(id);
}

const oldestFirst = (one, other) => one.createdAt.localeCompare(other.createdAt) || one.id.localeCompare(other.id);

// Messages that came from somewhere, each once; what is known already is replaced.
export function merge(id, messages) {
  const known = new Map(chat(id).messages.map((message) => [message.id, message]));
  for (const message of messages) known.set(message.id, message);
  chat(id).messages = [...known.values()].sort(oldestFirst);
  tell("messages", id);
  for (const [event, data] of chat(id).early.splice(0)) events[event](data);
}

// A message of ours before the server has it: shown at once, replaced by the real one under the same client id.
export function pretend(id, message) {
  const local = {
    id: `local-${message.clientMessageId}`,
    conversationId: id,
    direction: "OUTBOUND",
    status: "LOCAL",
    error: null,
    createdAt: behind(id),
    sentBy: state.me.id,
    reactions: [],
    replyTo: message.replyTo ?? null,
    payload: null,
    media: null,
    ...message,
  };
  merge(id, [local]);
  tell("sent", id);
  return local;
}

// Now, and behind all there is: this computer's clock may be slow.
function behind(id) {
  const newest = Date.parse(chat(id).messages.at(-1)?.createdAt ?? 0);
  return new Date(Math.max(Date.now(), newest + 1)).toISOString();
}

// The answer of a POST may come after the socket has told more: then it is the older word and changes nothing.
export function settle(local, message) {
  const { messages } = chat(local.conversationId);
  chat(local.conversationId).messages = messages.filter((one) => one.id !== local.id);
  const isNews = message && !found(message);
  merge(local.conversationId, isNews ? [message] : []);
}

export function found({ conversationId, id }) {
  return chat(conversationId).messages.find((one) => one.id === id);
}

// The socket may tell of a message before its POST is answered: then it takes the place of the local one.
function ours(message) {
  const waiting = chat(message.conversationId).messages.find(
    (one) =>
      one.status === "LOCAL" && !one.failed && !one.uploading && one.type === message.type && same(one, message),
  );
  return message.direction === "OUTBOUND" && message.sentBy === state.me.id ? waiting : undefined;
}

// The message that an event changes. One that a page being read will bring is changed when it is here.
function toChange(event, conversationId, id, data) {
  const known = chat(conversationId);
  const message = found({ conversationId, id });
  if (!message && known.reading) known.early.push([event, data]);
  return message;
}

function same(local, message) {
  if (local.mediaId) return local.mediaId === message.media?.id;
  return local.type !== "text" || local.content === message.content;
}

// --- events -------------------------------------------------------------------------------------------------------

const events = {
  "message:new"({ message, conversation }) {
    const known = chat(message.conversationId);
    const waiting = ours(message);
    if (waiting) settle(waiting, message);
    else if ((known.loaded || known.reading) && known.tail) merge(message.conversationId, [message]);
    known.typing.clear();
    if (conversation) put(conversation);
    tell("arrived", message);
  },
  "message:updated"({ message }) {
    if (toChange("message:updated", message.conversationId, message.id, { message }))
      merge(message.conversationId, [message]);
  },
  "message:status"(data) {
    const { messageId, conversationId, status, error, at } = data;
    const message = toChange("message:status", conversationId, messageId, data);
    const stamps = { SENT: "sentAt", DELIVERED: "deliveredAt", READ: "readAt", FAILED: "failedAt" };
    if (message) merge(conversationId, [{ ...message, status, error: error ?? null, [stamps[status] ?? "_"]: at }]);
    const conversation = state.conversations.get(conversationId);
    if (conversation?.lastMessage?.id === messageId) {
      put({ ...conversation, lastMessage: { ...conversation.lastMessage, status } });
    }
  },
  "conversation:updated"({ conversation }) {
    put(conversation);
  },
  "conversation:gone"({ conversationId }) {
    drop(conversationId);
  },
  "contact:updated"({ contact }) {
    for (const conversation of [...state.conversations.values()]) {
      if (conversation.contact.id === contact.id)
        put({ ...conversation, contact: { ...conversation.contact, ...contact } });
    }
  },
  "timeline:new"({ conversationId, entry }) {
    const known = chat(conversationId);
    known.entries = [...known.entries.filter((one) => one.id !== entry.id), entry];
    meet(entry.by);
    tell("messages", conversationId);
  },
  "user:typing"({ conversationId, userId, name, typing }) {
    const known = chat(conversationId);
    if (typing) known.typing.set(userId, { name, until: Date.now() + 6000 });
    else known.typing.delete(userId);
    tell("presence", conversationId);
  },
  presence({ conversationId, viewers }) {
    for (const { userId, name } of viewers) meet({ id: userId, name });
    chat(conversationId).viewers = viewers;
    tell("presence", conversationId);
  },
  "conversation:joined": (data) => events.presence(data),
};

export function apply(event, data) {
  events[event]?.(data);
  tell("event", { event, data });
}
