// The list of conversations: filters, search, and only as many rows in the page as fit on the screen.
import { call } from "./api.js";
import { el, fill, icon, later, tool } from "./dom.js";
import { has, takes } from "./doors.js";
import { begin } from "./begin.js";
import { brief, phone } from "./format.js";
import { calmly } from "./press.js";
import { filter, readList } from "./reading.js";
import { row, windowLeft } from "./row.js";
import { on, state } from "./state.js";
import { say } from "./words.js";

const ROW = 76; // pixels of a row, as in list.css
const AROUND = 6; // rows drawn beyond both edges

export const views = () =>
  [
    ["mine", "mine", say("Minhas", "Mine")],
    ["unassigned", "inbox", say("Na fila", "Waiting")],
    ["all", "all", say("Todas", "All")],
    ["pending", "snooze", say("Adiadas", "Put off")],
    ["closed", "check", say("Encerradas", "Closed"), has("POST", "/api/conversations/{id}/close")],
    ["archived", "archive", say("Arquivadas", "Archived"), has("POST", "/api/conversations/{id}/archive")],
  ].filter(([, , , there = true]) => there);

export const heading = () =>
  state.list.filter.search
    ? say("Busca", "Search")
    : (views().find(([name]) => name === state.list.filter.view)?.[2] ?? "");

export function listPane(menu) {
  const title = el("h2", {}, heading());
  const total = el("span", { class: "count" });
  const search = searchField();
  const rows = el("ul", { class: "rows" });
  const state_ = el("div", { class: "list-state" });
  const scroller = el("div", { class: "scroller", tabIndex: -1 }, rows, state_);
  const unread = chip(say("Não lidas", "Unread"), () => filter({ unread: !state.list.filter.unread }));
  const draw = () => {
    title.textContent = heading();
    total.textContent = state.list.total ? state.list.total.toLocaleString() : "";
    total.setAttribute("aria-label", say(`${state.list.total} conversas`, `${state.list.total} conversations`));
    unread.setAttribute("aria-pressed", String(Boolean(state.list.filter.unread)));
    drawRows(scroller, rows);
    drawState(state_);
  };
  scroller.addEventListener("scroll", () => drawRows(scroller, rows), { passive: true });
  new ResizeObserver(() => drawRows(scroller, rows)).observe(scroller);
  on("list", draw);
  on("open", draw);
  on("house", () => fill(choices, ...selects()));
  setInterval(() => calmly(draw), 30_000); // clocks and countdowns
  const choices = el("div", { class: "choices" }, ...selects());
  return el(
    "section",
    { class: "pane list", "aria-label": say("Conversas", "Conversations") },
    el(
      "header",
      { class: "bar" },
      menu,
      title,
      total,
      has("POST", "/api/conversations") &&
        tool("plus", say("Nova conversa", "New conversation"), begin, { class: "tool begin" }),
    ),
    search.node,
    el("div", { class: "filters" }, unread, choices),
    search.hits,
    scroller,
  );
}

function chip(label, onclick) {
  return el("button", { type: "button", class: "chip", onclick, "aria-pressed": "false" }, label);
}

function selects() {
  const choice = (label, name, options) =>
    options.length
      ? el(
          "select",
          {
            class: "chip",
            "aria-label": label,
            onchange: (event) => filter({ [name]: event.target.value || undefined }),
          },
          el("option", { value: "" }, label),
          options.map(([value, text]) => el("option", { value }, text)),
        )
      : null;
  const tags = takes("/api/conversations", "tag") ? state.tags.map(({ name }) => [name, name]) : [];
  const departments = takes("/api/conversations", "departmentId")
    ? state.departments.map(({ id, name }) => [id, name])
    : [];
  return [
    choice(say("Etiqueta", "Tag"), "tag", tags),
    choice(say("Setor", "Department"), "departmentId", departments),
  ];
}

// --- search -------------------------------------------------------------------------------------------------------

function searchField() {
  const inConversations = takes("/api/conversations", "search");
  const inMessages = has("GET", "/api/messages/search");
  const hits = el("ul", {
    class: "hits",
    hidden: true,
    "aria-label": say("Mensagens encontradas", "Messages found"),
  });
  const look = later(async (text) => {
    if (inConversations) filter({ search: text || undefined });
    hits.hidden = true;
    if (!inMessages || text.length < 3) return;
    const found = await call("GET", "/api/messages/search", { query: { q: text, limit: 8 } }).catch(() => null);
    if (input.value.trim() === text) showHits(hits, found?.data ?? []);
  }, 250);
  const input = el("input", {
    type: "search",
    id: "search",
    placeholder: inMessages
      ? say("Buscar nome, telefone ou texto", "Search name, phone or text")
      : say("Buscar nome ou telefone", "Search name or phone"),
    "aria-label": say("Buscar", "Search"),
    maxLength: 100,
    autocomplete: "off",
    oninput: () => look(input.value.trim()),
    onkeydown: (event) => event.key === "Escape" && (input.value ? ((input.value = ""), look("")) : input.blur()),
  });
  const node = el(
    "label",
    { class: "search", hidden: !inConversations && !inMessages },
    icon("search"),
    input,
    el("kbd", {}, "/"),
  );
  return { node, hits };
}

function showHits(list, found) {
  list.hidden = !found.length;
  fill(
    list,
    found.map(({ message, conversation, snippet }) =>
      el(
        "li",
        {},
        el(
          "a",
          { href: `#/c/${conversation.id}/${encodeURIComponent(message.createdAt)}` },
          el("strong", {}, conversation.contact.name ?? phone(conversation.contact.phone)),
          el("time", {}, brief(message.createdAt)),
          el("span", {}, marked(snippet)),
        ),
      ),
    ),
  );
}

function marked({ text, hits }) {
  const letters = [...text]; // the server counts characters, not UTF-16
  const words = (from, to) => letters.slice(from, to).join("");
  const parts = [];
  let from = 0;
  for (const [start, end] of hits) {
    parts.push(words(from, start), el("mark", {}, words(start, end)));
    from = end;
  }
  return [...parts, words(from)];
}

// --- rows ---------------------------------------------------------------------------------------------------------

const drawn = new Map(); // id -> {node, conversation, chosen}

function drawRows(scroller, rows) {
  const { ids } = state.list;
  const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - AROUND);
  const last = Math.min(ids.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / ROW) + AROUND);
  rows.style.height = `${ids.length * ROW}px`;
  const shown = new Set(ids.slice(first, last));
  for (const [id, { node }] of drawn) {
    if (!shown.has(id)) {
      node.remove();
      drawn.delete(id);
    }
  }
  for (let at = first; at < last; at += 1) drawRow(rows, ids[at], at);
  order(rows, ids.slice(first, last));
  if (state.list.cursor && last > ids.length - 15) void readList(true);
}

// In the page they stand in the order in which they are seen: Tab and screen readers follow that.
function order(rows, ids) {
  let next = rows.firstElementChild;
  for (const id of ids) {
    const { node } = drawn.get(id);
    if (node === next) next = next.nextElementSibling;
    else rows.insertBefore(node, next);
  }
}

function drawRow(rows, id, at) {
  const conversation = state.conversations.get(id);
  const key = `${state.open === id}|${brief(conversation.lastMessageAt)}|${windowLeft(conversation)}|${state.tags.length}`;
  const known = drawn.get(id);
  if (known?.conversation !== conversation || known.key !== key) {
    const node = row(conversation);
    const focused = known?.node.contains(document.activeElement);
    if (known) known.node.replaceWith(node);
    else rows.append(node);
    if (focused) node.querySelector("a").focus({ preventScroll: true });
    drawn.set(id, { node, conversation, key });
  }
  const { node } = drawn.get(id);
  node.style.transform = `translateY(${at * ROW}px)`;
  node.setAttribute("aria-posinset", at + 1);
  node.setAttribute("aria-setsize", state.list.cursor ? state.list.total : state.list.ids.length);
}

function drawState(node) {
  const {
    loading,
    failed,
    ids,
    filter: { search, unread, view },
  } = state.list;
  if (failed) {
    fill(
      node,
      el("p", {}, failed.message),
      el(
        "button",
        { type: "button", class: "plain", onclick: () => readList() },
        say("Tentar de novo", "Try again"),
      ),
    );
  } else if (loading && !ids.length) fill(node, skeletons());
  else if (!ids.length)
    fill(
      node,
      icon("bell", "large"),
      el("p", { class: "empty-title" }, emptyTitle(view, search, unread)),
      el("p", {}, emptyHint(view, search, unread)),
    );
  else fill(node, loading ? el("p", { class: "spin", role: "status" }, say("Carregando…", "Loading…")) : null);
}

function skeletons() {
  return Array.from({ length: 7 }, () =>
    el("div", { class: "skeleton", "aria-hidden": "true" }, el("i"), el("b"), el("u")),
  );
}

function emptyTitle(view, search, unread) {
  if (search) return say("Nenhuma conversa com este nome", "No conversation of this name");
  if (unread) return say("Tudo lido", "All read");
  return view === "mine"
    ? say("Nenhuma conversa com você", "No conversation is yours")
    : say("Nenhuma conversa aqui", "No conversation here");
}

function emptyHint(view, search, unread) {
  if (search) return say("Tente outro nome ou telefone.", "Try another name or phone.");
  if (unread)
    return say("Quando um hóspede escrever, aparece aqui na hora.", "When a guest writes, it shows here at once.");
  return view === "mine"
    ? say("Veja em “Na fila” quem espera por alguém.", "Look at “Waiting” to see who is waiting.")
    : say("Quando um hóspede escrever, aparece aqui na hora.", "When a guest writes, it shows here at once.");
}

// The conversation after (or before) the open one, for the keys j and k.
export function neighbour(step) {
  const { ids } = state.list;
  const at = ids.indexOf(state.open);
  return ids[at < 0 ? 0 : Math.min(ids.length - 1, Math.max(0, at + step))];
}

export function reveal(id) {
  const scroller = document.querySelector(".list .scroller");
  const at = state.list.ids.indexOf(id);
  if (at < 0 || !scroller) return;
  const top = at * ROW;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  if (top + ROW > scroller.scrollTop + scroller.clientHeight)
    scroller.scrollTop = top + ROW - scroller.clientHeight;
}
