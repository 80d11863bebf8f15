// The open conversation: its header, its log of messages and notes, and the composer below.
import { markRead } from "./actions.js";
import { composer } from "./composer.js";
import { el, fill, icon, inPlace } from "./dom.js";
import { remaining } from "./format.js";
import { headOf, presenceOf } from "./head.js";
import { itemsOf } from "./items.js";
import { calmly } from "./press.js";
import { readChat, readConversation, readNewer, readOlder } from "./reading.js";
import { nameOf } from "./row.js";
import { chat, on, state } from "./state.js";
import { say } from "./words.js";

const NEAR = 80; // pixels from an end that count as being there

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
  on("sent", (id) => shown?.id === id && void shown.toEnd().catch(() => {}));
  on("note", (id) => shown?.id === id && shown.composer.noteAgain());
  on("reread", () => shown?.loadAgain());
  on("connection", () => state.connection === "online" && shown?.again?.());
  addEventListener("focus", () => shown?.look());
  setInterval(() => calmly(() => shown?.drawHead()), 5_000);
  fill(pane, welcome());
  return Object.assign(pane, { screen: () => shown });
}

function welcome() {
  return el(
    "div",
    { class: "welcome" },
    icon("bell", "huge"),
    el("p", { class: "empty-title" }, say("A recepção está aberta", "The front desk is open")),
    el(
      "p",
      {},
      say(
        "Escolha uma conversa ao lado, ou tecle ? para ver os atalhos.",
        "Choose a conversation, or press ? for the keys.",
      ),
    ),
  );
}

class Screen {
  #nodes = new Map(); // key -> {node, source}
  #unreadFrom = null;
  #counted = false;
  #head = el("header", { class: "bar chat-head" });
  #log = el("ol", { class: "log", tabIndex: 0, "aria-label": say("Mensagens", "Messages") });
  #scroller = el("div", { class: "log-scroller" }, this.#log);
  #end = el(
    "button",
    { type: "button", class: "to-end", hidden: true, onclick: () => this.toEnd() },
    icon("down"),
    el("span", {}, say("Mensagens novas", "New messages")),
  );
  #spoken = el("p", { class: "spoken", "aria-live": "polite" });

  constructor(pane, id, { back, details }) {
    Object.assign(this, { id, back, details, ended: false });
    this.composer = composer(id);
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#resized = new ResizeObserver(() => this.#stuck && this.#toBottom());
    this.#resized.observe(this.#log);
    this.#resized.observe(this.#scroller);
    fill(
      pane,
      this.#head,
      el("div", { class: "log-place" }, this.#scroller, this.#end),
      this.composer.node,
      this.#spoken,
    );
    fill(
      this.#log,
      Array.from({ length: 6 }, (_, at) =>
        el("li", { class: `bubble-skeleton${at % 3 === 1 ? " out" : ""}`, "aria-hidden": "true" }),
      ),
    );
    this.drawHead();
  }

  #resized = null;
  #stuck = true; // to the newest message

  async load(at, anew = false) {
    const { id } = this;
    const known = chat(id);
    if (!at && known.loaded && known.tail) this.draw();
    let current = false;
    try {
      [current] = await Promise.all([
        readChat(id, { at }),
        anew || !state.conversations.has(id) ? readConversation(id) : null,
      ]);
      this.again = null;
    } catch (error) {
      this.again = () => this.load(at);
      if (!this.ended && !known.loaded)
        fill(
          this.#log,
          el(
            "li",
            { class: "line" },
            error.message,
            " ",
            el(
              "button",
              { type: "button", class: "link", onclick: this.again },
              say("Tentar de novo", "Try again"),
            ),
          ),
        );
      return;
    }
    if (this.ended || !current) return;
    this.#stuck = !at;
    this.draw();
    if (at) this.#scroller.scrollTop = 0;
    if (this.conversation.unreadCount === 0) this.#counted = true;
    this.look();
  }

  // What is shown, anew; who looks at something older goes on looking at it.
  loadAgain() {
    const known = chat(this.id);
    const above = this.#scroller.scrollTop;
    const top = this.#stuck
      ? null
      : known.messages.find(({ id }) => {
          const node = this.#nodes.get(id)?.node;
          return node && node.offsetTop + node.offsetHeight > above;
        });
    return this.load(top?.createdAt, true);
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
    if (
      document.hidden ||
      !document.hasFocus() ||
      !this.#stuck ||
      !conversation?.unreadCount ||
      !chat(this.id).loaded
    )
      return;
    void markRead(this.id).catch(() => {});
  }

  // --- header -----------------------------------------------------------------------------------------------------

  drawHead() {
    const { conversation } = this;
    if (!conversation) return;
    const presence = presenceOf(this.id);
    const key = JSON.stringify([conversation, presence, remaining(conversation.windowExpiresAt ?? 0)]);
    if (key === this.#headKey) return;
    this.#headKey = key;
    inPlace(this.#head, () => fill(this.#head, headOf(conversation, presence, this)));
    this.composer.update(conversation);
  }

  #headKey = "";

  // --- log --------------------------------------------------------------------------------------------------------

  draw() {
    const known = chat(this.id);
    if (!known.loaded) return;
    this.#markUnread(known);
    const before = this.#scroller.scrollHeight - this.#scroller.scrollTop;
    const oldest = this.#oldest;
    this.#place(itemsOf(known, this.#unreadFrom, this.composer));
    this.#oldest = known.messages[0]?.id;
    // History was put above: the place on the screen stays.
    if (oldest && oldest !== this.#oldest && !this.#stuck)
      this.#scroller.scrollTop = this.#scroller.scrollHeight - before;
    if (this.#stuck) this.#toBottom();
    this.#announce(known.messages.at(-1));
    // Without a screenful nobody could scroll to what is older.
    if (this.#scroller.scrollHeight <= this.#scroller.clientHeight) void readOlder(this.id).catch(() => {});
    this.#end.hidden = this.#stuck && known.tail;
  }

  #oldest = null;
  #last = null;

  #markUnread({ messages }) {
    if (this.#counted || !this.conversation) return;
    this.#counted = true;
    const { firstUnreadMessageId, unreadCount } = this.conversation;
    const came = messages.filter(({ direction, type }) => direction === "INBOUND" && type !== "reaction");
    this.#unreadFrom = unreadCount ? (firstUnreadMessageId ?? came.at(-unreadCount)?.id) : null;
  }

  #announce(message) {
    if (!message || message.id === this.#last) return;
    const isNew = this.#last !== null && message.direction === "INBOUND";
    this.#last = message.id;
    if (!isNew) return;
    this.#spoken.textContent = `${nameOf(this.conversation)}: ${message.content ?? ""}`.slice(0, 200);
    if (!this.#stuck) this.#end.classList.add("fresh");
  }

  // Puts the items in order with as few changes as can be: what plays goes on playing, what is selected stays.
  #place(items) {
    const log = this.#log;
    for (const node of log.querySelectorAll(":scope > .bubble-skeleton, :scope > .line:not([data-key])"))
      node.remove();
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
          inPlace(log, () => known.node.replaceWith(node));
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
    if (!chat(this.id).tail && !(await readChat(this.id))) return;
    this.#stuck = true;
    this.#end.classList.remove("fresh");
    this.draw();
    this.look();
  }
}
