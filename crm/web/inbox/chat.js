// The open conversation: its header, its log of messages and notes, and the composer below.
import { archive, claim, close, markRead, markUnread, readChat, readConversation, readNewer, readOlder, reopen, unarchive, unsnooze } from "./actions.js";
import { bubble, isSilent } from "./bubble.js";
import { composer } from "./composer.js";
import { chooseSnooze, chooseTransfer } from "./details.js";
import { menu } from "./dialogs.js";
import { avatar, el, fill, icon, linked, tool } from "./dom.js";
import { has } from "./doors.js";
import { day, dayKey, moment, phone, remaining, time } from "./format.js";
import { nameOf } from "./list.js";
import { chat, on, snoozed, state } from "./state.js";
import { say } from "./words.js";

const NEAR = 80; // pixels from an end that count as being there
const door = (what) => has("POST", `/api/conversations/{id}/${what}`);

export function chatPane({ back, details, join }) {
  const pane = el("section", { class: "pane chat", "aria-label": say("Conversa", "Conversation") });
  let shown = null;
  on("open", async ({ id, at }) => {
    shown?.end();
    shown = null;
    if (!id) return fill(pane, welcome());
    shown = new Screen(pane, id, { back, details });
    join(id);
    return shown.load(at);
  });
  on("gone", (id) => id === state.open && back());
  on("conversation", ({ id }) => shown?.id === id && shown.drawHead());
  on("messages", (id) => shown?.id === id && shown.draw());
  on("presence", (id) => shown?.id === id && shown.drawHead());
  on("arrived", ({ conversationId }) => shown?.id === conversationId && shown.look());
  on("reread", () => shown?.load());
  addEventListener("focus", () => shown?.look());
  setInterval(() => shown?.drawHead(), 5_000);
  fill(pane, welcome());
  return Object.assign(pane, { screen: () => shown });
}

function welcome() {
  return el("div", { class: "welcome" }, icon("bell", "huge"),
    el("p", { class: "empty-title" }, say("A recepção está aberta", "The front desk is open")),
    el("p", {}, say("Escolha uma conversa ao lado, ou tecle ? para ver os atalhos.", "Choose a conversation, or press ? for the keys.")));
}

class Screen {
  #nodes = new Map(); // key -> {node, source}
  #unreadFrom = null;
  #counted = false;
  #head = el("header", { class: "bar chat-head" });
  #log = el("ol", { class: "log", tabIndex: 0, "aria-label": say("Mensagens", "Messages") });
  #scroller = el("div", { class: "log-scroller" }, this.#log);
  #end = el("button", { type: "button", class: "to-end", hidden: true, onclick: () => this.toEnd() }, icon("down"), el("span", {}, say("Mensagens novas", "New messages")));
  #spoken = el("p", { class: "spoken", "aria-live": "polite" });

  constructor(pane, id, { back, details }) {
    Object.assign(this, { id, back, details, ended: false });
    this.composer = composer(id);
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#resized = new ResizeObserver(() => this.#stuck && this.#toBottom());
    this.#resized.observe(this.#log);
    this.#resized.observe(this.#scroller);
    fill(pane, this.#head, el("div", { class: "log-place" }, this.#scroller, this.#end), this.composer.node, this.#spoken);
    fill(this.#log, Array.from({ length: 6 }, (_, at) => el("li", { class: `bubble-skeleton${at % 3 === 1 ? " out" : ""}`, "aria-hidden": "true" })));
    this.drawHead();
  }

  #resized = null;
  #stuck = true; // to the newest message

  async load(at) {
    const { id } = this;
    const known = chat(id);
    if (!at && known.loaded && known.tail) this.draw();
    try {
      await Promise.all([state.conversations.has(id) ? null : readConversation(id), readChat(id, { at })]);
    } catch (error) {
      if (!this.ended && !known.loaded) fill(this.#log, el("li", { class: "line" }, error.message, " ", el("button", { type: "button", class: "link", onclick: () => this.load(at) }, say("Tentar de novo", "Try again"))));
      return;
    }
    if (this.ended) return;
    this.#stuck = !at;
    this.draw();
    if (at) this.#scroller.scrollTop = 0;
    if (this.conversation.unreadCount === 0) this.#counted = true;
    this.look();
  }

  get conversation() {
    return state.conversations.get(this.id);
  }

  end() {
    this.ended = true;
    this.composer.end();
    this.#resized.disconnect();
  }

  // Somebody looks at it: then nothing of it is unread any more.
  look() {
    const { conversation } = this;
    if (document.hidden || !document.hasFocus() || !this.#stuck || !conversation?.unreadCount || !chat(this.id).loaded) return;
    void markRead(this.id).catch(() => {});
  }

  // --- header -----------------------------------------------------------------------------------------------------

  drawHead() {
    const { conversation } = this;
    if (!conversation) return;
    const { contact, assignedTo } = conversation;
    const free = !assignedTo && conversation.status !== "CLOSED";
    const key = JSON.stringify([conversation, this.#presence(), remaining(conversation.windowExpiresAt ?? 0)]);
    if (key === this.#headKey) return;
    this.#headKey = key;
    fill(this.#head,
      tool("back", say("Voltar à lista", "Back to the list"), this.back, { class: "tool back" }),
      avatar(contact.name, contact.id),
      el("div", { class: "who" }, el("h2", {}, nameOf(conversation)), el("p", {}, this.#presence() || phone(contact.phone))),
      windowChip(conversation),
      free
        ? el("button", { type: "button", class: "main small", onclick: () => claim(this.id).catch(() => {}) }, say("Assumir", "Take it"))
        : assignedTo && el("span", { class: "assignee", title: say(`Responsável: ${assignedTo.name}`, `Assigned to ${assignedTo.name}`) }, icon("person"), assignedTo.id === state.me.id ? say("Você", "You") : assignedTo.name),
      tool("more", say("Mais ações", "More actions"), (event) => this.#menu(event.currentTarget)),
      tool("info", say("Detalhes", "Details"), this.details, { class: "tool info" }));
    this.composer.update(conversation);
  }

  #headKey = "";

  #presence() {
    const { typing, viewers } = chat(this.id);
    const writing = [...typing.values()].filter(({ until }) => until > Date.now()).map(({ name }) => name);
    if (writing.length) return say(`${writing.join(", ")} está escrevendo…`, `${writing.join(", ")} is typing…`);
    const others = [...new Map(viewers.filter(({ userId }) => userId !== state.me.id).map(({ userId, name }) => [userId, name])).values()];
    return others.length ? say(`${others.join(", ")} também está aqui`, `${others.join(", ")} is here too`) : "";
  }

  #menu(button) {
    const { id, conversation } = this;
    const closed = conversation.status === "CLOSED";
    const quietly = (work) => () => work(id).catch(() => {});
    menu(button, [
      { icon: "transfer", text: say("Transferir…", "Transfer…"), act: () => chooseTransfer(conversation) },
      { icon: "unread", text: say("Marcar como não lida", "Mark as unread"), act: () => markUnread(id).then(this.back, () => {}) },
      door("snooze") && (snoozed(conversation)
        ? { icon: "snooze", text: say("Trazer de volta agora", "Bring back now"), act: quietly(unsnooze) }
        : { icon: "snooze", text: say("Adiar…", "Snooze…"), act: () => chooseSnooze(id) }),
      door("close") && !closed && { icon: "check", text: say("Encerrar", "Close"), act: quietly(close) },
      door("reopen") && closed && { icon: "reply", text: say("Reabrir", "Reopen"), act: quietly(reopen) },
      door("archive") && (conversation.archived
        ? { icon: "archive", text: say("Desarquivar", "Unarchive"), act: quietly(unarchive) }
        : { icon: "archive", text: say("Arquivar", "Archive"), act: quietly(archive) }),
      { icon: "info", text: say("Detalhes", "Details"), act: this.details },
    ]);
  }

  // --- log --------------------------------------------------------------------------------------------------------

  draw() {
    const known = chat(this.id);
    if (!known.loaded) return;
    this.#markUnread(known);
    const before = this.#scroller.scrollHeight - this.#scroller.scrollTop;
    const oldest = this.#oldest;
    this.#place(this.#items(known));
    this.#oldest = known.messages[0]?.id;
    // History was put above: the place on the screen stays.
    if (oldest && oldest !== this.#oldest && !this.#stuck) this.#scroller.scrollTop = this.#scroller.scrollHeight - before;
    if (this.#stuck) this.#toBottom();
    this.#announce(known.messages.at(-1));
    this.#end.hidden = this.#stuck && known.tail;
  }

  #oldest = null;
  #last = null;

  #markUnread({ messages }) {
    if (this.#counted || !this.conversation) return;
    this.#counted = true;
    const { firstUnreadMessageId, unreadCount } = this.conversation;
    const came = messages.filter(({ direction, type }) => direction === "INBOUND" && type !== "reaction");
    this.#unreadFrom = unreadCount ? firstUnreadMessageId ?? came.at(-unreadCount)?.id : null;
  }

  #announce(message) {
    if (!message || message.id === this.#last) return;
    const isNew = this.#last !== null && message.direction === "INBOUND";
    this.#last = message.id;
    if (!isNew) return;
    this.#spoken.textContent = `${nameOf(this.conversation)}: ${message.content ?? ""}`.slice(0, 200);
    if (!this.#stuck) this.#end.classList.add("fresh");
  }

  // What is to be seen, in order: [key, source, draw].
  #items({ messages, entries, older, olderEntries }) {
    const items = [];
    let last = { day: "", from: "", at: 0 };
    const oldest = older ? messages[0]?.createdAt ?? "" : "";
    const all = [
      ...messages.filter((message) => !isSilent(message)).map((message) => ({ at: message.createdAt, message })),
      ...entries.filter(({ at }) => at >= oldest).map((entry) => ({ at: entry.at, entry })),
    ].sort((one, other) => one.at.localeCompare(other.at));
    if (!older && olderEntries !== undefined && !all.length) items.push(["none", "", () => el("li", { class: "line" }, say("Ainda não há mensagens.", "There are no messages yet."))]);
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
      if (message.id === this.#unreadFrom) items.push(["unread", "", () => el("li", { class: "unread-line" }, el("span", {}, say("Não lidas", "Unread")))]);
      const from = `${message.direction}${message.sentBy}${message.origin}`;
      const first = from !== last.from || new Date(at) - last.at > 300_000;
      last = { day: last.day, from, at: new Date(at) };
      items.push([message.id, message, () => bubble(message, { first, reply: (one) => this.composer.reply(one), template: () => this.composer.template() }), first]);
    }
    return items;
  }

  // Puts the items in order with as few changes as can be: what plays goes on playing, what is selected stays.
  #place(items) {
    const log = this.#log;
    for (const node of log.querySelectorAll(":scope > .bubble-skeleton, :scope > .line:not([data-key])")) node.remove();
    const wanted = new Set(items.map(([key]) => key));
    for (const [key, { node }] of this.#nodes) {
      if (!wanted.has(key)) {
        node.remove();
        this.#nodes.delete(key);
      }
    }
    let next = log.firstElementChild;
    for (const [key, source, draw, first] of items) {
      const known = this.#nodes.get(key);
      let node = known?.node;
      if (!known || known.source !== source || known.first !== first) {
        node = draw();
        node.dataset.key = key;
        if (known) {
          if (next === known.node) next = node;
          known.node.replaceWith(node);
        }
        this.#nodes.set(key, { node, source, first });
      }
      if (node === next) next = next.nextElementSibling;
      else log.insertBefore(node, next);
    }
  }

  // --- scrolling --------------------------------------------------------------------------------------------------

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const known = chat(this.id);
    const below = scrollHeight - scrollTop - clientHeight;
    this.#stuck = below < NEAR && known.tail;
    this.#end.hidden = this.#stuck;
    if (this.#stuck) {
      this.#end.classList.remove("fresh");
      this.look();
    }
    if (!known.loaded) return;
    if (scrollTop < 400) void readOlder(this.id).catch(() => {});
    if (below < 400 && !known.tail) void readNewer(this.id).catch(() => {});
  }

  #toBottom() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  async toEnd() {
    if (!chat(this.id).tail) await readChat(this.id);
    this.#stuck = true;
    this.#end.classList.remove("fresh");
    this.draw();
    this.look();
  }
}

function windowChip({ windowExpiresAt, status }) {
  const left = windowExpiresAt && remaining(windowExpiresAt);
  if (status === "CLOSED") return el("span", { class: "window" }, icon("check"), say("Encerrada", "Closed"));
  const hours = left ? (new Date(windowExpiresAt) - Date.now()) / 3_600_000 : 0;
  const kind = hours <= 0 ? "shut" : hours < 3 ? "soon" : "";
  const label = left
    ? say(`Pode responder livremente até ${moment(windowExpiresAt)}`, `You may answer freely until ${moment(windowExpiresAt)}`)
    : say("A janela de 24 horas está fechada: só modelos", "The 24-hour window is closed: templates only");
  return el("span", { class: `window ${kind}`, title: label, "aria-label": label, role: "img" }, icon("hourglass"), el("span", {}, left ?? say("fechada", "closed")));
}

// --- notes and changes --------------------------------------------------------------------------------------------

function entryNode(entry) {
  const by = entry.by?.name ?? say("Sistema", "System");
  if (entry.type === "note") {
    return el("li", { class: "note" }, el("p", { class: "note-head" }, icon("note"), el("strong", {}, by), say("nota interna", "internal note"), el("time", { dateTime: entry.at }, time(entry.at))), el("p", { class: "words" }, linked(entry.content ?? "")));
  }
  return el("li", { class: "line" }, el("span", {}, happened(entry, by), " · ", time(entry.at)), entry.content && el("q", {}, entry.content));
}

function happened(entry, by) {
  const { type, data = {} } = entry;
  const to = data.to?.name ?? data.userName ?? data.name ?? data.departmentName ?? state.people.get(data.userId) ?? state.departments.find(({ id }) => id === data.departmentId)?.name;
  const known = {
    claimed: [`${by} assumiu a conversa`, `${by} took the conversation`],
    assigned: data.userId === entry.by?.id ? [`${by} assumiu a conversa`, `${by} took the conversation`] : to ? [`${by} passou a conversa a ${to}`, `${by} gave the conversation to ${to}`] : [`${by} deixou a conversa sem responsável`, `${by} left the conversation to nobody`],
    transferred: data.departmentId === null ? [`${by} tirou a conversa do setor`, `${by} took the conversation out of its department`] : [`${by} transferiu a conversa${to ? ` para ${to}` : ""}`, `${by} transferred the conversation${to ? ` to ${to}` : ""}`],
    closed: [`${by} encerrou a conversa`, `${by} closed the conversation`],
    reopened: [`${by} reabriu a conversa`, `${by} reopened the conversation`],
    archived: [`${by} arquivou a conversa`, `${by} archived the conversation`],
    unarchived: [`${by} desarquivou a conversa`, `${by} unarchived the conversation`],
    snoozed: [`${by} adiou a conversa${data.until ? ` até ${moment(data.until)}` : ""}`, `${by} snoozed the conversation${data.until ? ` until ${moment(data.until)}` : ""}`],
    unsnoozed: ["A conversa voltou", "The conversation came back"],
    tagged: [`${by} mudou as etiquetas`, `${by} changed the tags`],
  }[type] ?? [`${by}: ${type}`, `${by}: ${type}`];
  return say(...known);
}
