// The page itself: signing in, the frame around the panes, what the address says, the keys.
import { claim, close, filter, learnHouse, markUnread, readList } from "./actions.js";
import { canNotify, notifies, startAlerts } from "./alerts.js";
import { session } from "./api.js";
import { chatPane } from "./chat.js";
import { speakBy } from "./composer.js";
import { detailsPane } from "./details.js";
import { keys, menu, notice } from "./dialogs.js";
import { avatar, el, fill, icon, later, tool } from "./dom.js";
import { has, learn } from "./doors.js";
import { listPane, neighbour, reveal, views } from "./list.js";
import { login, ownPassword } from "./login.js";
import { showScheduled } from "./scheduled.js";
import { Live } from "./socket.js";
import { apply, on, state, tell } from "./state.js";
import { language, say, speak, theme } from "./words.js";

const root = document.getElementById("app");
let live = null;

// --- beginning and end --------------------------------------------------------------------------------------------

async function begin() {
  let answer = null;
  if (session.isKept) {
    fill(root, el("p", { class: "starting", role: "status" }, icon("bell", "huge"), el("span", { class: "spoken" }, say("Abrindo…", "Opening…"))));
    answer = await resumed();
  }
  answer ??= await login(root, sessionStorage.getItem("crm.said") ?? "");
  sessionStorage.removeItem("crm.said");
  if (answer.user.mustChangePassword) answer = await ownPassword(root, answer);
  await enter(answer);
}

// Signed in by what this tab has kept; null when that is over. Without a connection it waits for one.
async function resumed() {
  for (let pause = 500; ; pause = Math.min(8000, pause * 2)) {
    try {
      return await session.resume();
    } catch (error) {
      if (error.status && error.status < 500) return null;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

async function enter({ user, tenant }) {
  if (!tenant) {
    await session.logout();
    return enter(await login(root, say("Esta página é dos hotéis: informe o seu.", "This page is for hotels: name yours.")));
  }
  Object.assign(state, { me: user, hotel: tenant });
  session.onEnd(left);
  await learn();
  draw();
  await Promise.all([readList(), learnHouse()]).catch(() => {});
  connect();
  startAlerts();
  route();
  addEventListener("hashchange", route);
  document.addEventListener("keydown", steer);
  return undefined;
}

// The session is over: all of the page's memory goes with it.
function left(error) {
  live?.stop();
  sessionStorage.setItem("crm.said", error?.message ?? "");
  location.reload();
}

function connect() {
  live = new Live(
    (event, data) => {
      apply(event, data);
      if (event === "resync") void readList().then(() => tell("reread"));
    },
    (status) => {
      state.connection = status;
      tell("connection");
    },
    () => left(null),
  );
  speakBy((event, data) => live.say(event, data));
  void live.open();
}

// --- the frame ----------------------------------------------------------------------------------------------------

function draw() {
  const chat = chatPane({ back: () => (location.hash = "#/"), details: () => frame.classList.toggle("with-details"), join: (id) => live?.join(id) });
  const details = detailsPane(() => frame.classList.remove("with-details"));
  const list = listPane(tool("menu", say("Menu", "Menu"), (event) => everything(event.currentTarget), { class: "tool only-narrow" }));
  const frame = el("div", { class: "frame" }, sidebar(), list, el("main", { class: "main-pane" }, chat), details);
  fill(root, bar(), frame, el("div", { class: "drop", "aria-hidden": "true" }, icon("clip", "huge"), say("Solte para anexar", "Drop to attach")));
  Object.assign(parts, { frame, chat });
  on("open", ({ id }) => frame.classList.toggle("is-open", Boolean(id)));
  on("trouble", (error) => notice(error.status ? error.message : say("Sem conexão: tente de novo.", "No connection: try again."), "bad"));
  receiveDrops(chat);
}

const parts = {};

function sidebar() {
  const items = el("ul", {});
  const show = () => fill(items, views().map(([view, name, text]) => {
    const count = { mine: state.unread?.mine, unassigned: state.unread?.unassigned, all: state.unread?.total }[view];
    return el("li", {}, el("button", { type: "button", "aria-current": state.list.filter.view === view ? "page" : null, title: text, onclick: () => filter({ view }) }, icon(name), el("span", { class: "label" }, text), count ? el("span", { class: "badge", "aria-label": say(`${count} não lidas`, `${count} unread`) }, count > 99 ? "99+" : count) : null));
  }));
  on("list", later(show, 0));
  on("unread", show);
  show();
  return el("nav", { class: "sidebar", "aria-label": say("Caixas", "Boxes") },
    el("p", { class: "brand" }, icon("bell"), el("span", { class: "label" }, state.hotel.name)),
    items,
    el("div", { class: "sidebar-end" },
      has("GET", "/api/messages/scheduled") && el("button", { type: "button", title: say("Agendadas", "Scheduled"), onclick: showScheduled }, icon("clock"), el("span", { class: "label" }, say("Agendadas", "Scheduled"))),
      el("button", { type: "button", title: say("Teclas", "Keys"), onclick: keys }, icon("keyboard"), el("span", { class: "label" }, say("Teclas", "Keys"))),
      el("button", { type: "button", class: "account", title: state.me.name, "aria-label": say(`Conta de ${state.me.name}`, `Account of ${state.me.name}`), onclick: (event) => account(event.currentTarget) }, avatar(state.me.name, state.me.id), el("span", { class: "label" }, state.me.name))));
}

const settings = () => [
  canNotify() && !notifies() && { icon: "bell", text: say("Ligar notificações", "Turn notifications on"), act: () => Notification.requestPermission() },
  { icon: "sun", text: say("Claro", "Light"), act: () => theme("light") },
  { icon: "moon", text: say("Escuro", "Dark"), act: () => theme("dark") },
  { icon: "auto", text: say("Como o sistema", "As the system"), act: () => theme("auto") },
  { icon: "globe", text: language === "en" ? "Português" : "English", act: () => speak(language === "en" ? "pt-BR" : "en") },
  { icon: "leave", text: say("Sair", "Sign out"), act: () => session.logout().then(() => left(null)) },
];

function account(button) {
  menu(button, settings());
}

// On a phone the sidebar's place is this menu.
function everything(button) {
  const boxes = views().map(([view, name, text]) => ({ icon: name, text, act: () => filter({ view }) }));
  menu(button, [...boxes, has("GET", "/api/messages/scheduled") && { icon: "clock", text: say("Agendadas", "Scheduled"), act: showScheduled }, ...settings()]);
}

// Shown when the connection has been away for a moment, not at each hiccup.
function bar() {
  const node = el("div", { class: "offline", role: "status", hidden: true });
  let timer = 0;
  let wasAway = false;
  on("connection", () => {
    clearTimeout(timer);
    if (state.connection === "online") {
      if (wasAway) notice(say("Conectado de novo: nada se perdeu.", "Connected again: nothing was lost."));
      wasAway = false;
      node.hidden = true;
      return;
    }
    timer = setTimeout(() => {
      wasAway = true;
      node.hidden = false;
      fill(node, icon("offline"), el("span", {}, say("Sem conexão. O que você escrever sai quando ela voltar.", "No connection. What you write goes out when it is back.")), el("button", { type: "button", class: "link", onclick: () => live.now() }, say("Tentar agora", "Try now")));
    }, wasAway ? 0 : 1500);
  });
  return node;
}

function receiveDrops(chat) {
  const over = (event) => chat.screen() && event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!over(event)) return;
    event.preventDefault();
    root.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || root.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    root.classList.remove("dropping");
    if (!over(event)) return;
    event.preventDefault();
    void chat.screen().composer.attach([...event.dataTransfer.files]);
  });
}

// --- address and keys ---------------------------------------------------------------------------------------------

// #/c/<id> is a conversation, #/c/<id>/<time> a place in it, anything else the list.
function route() {
  const [, id, at] = /^#\/c\/([0-9a-f-]{36})(?:\/(.+))?$/.exec(location.hash) ?? [];
  const changed = id !== state.open;
  state.open = id ?? null;
  if (!id) live?.join(null);
  if (changed || at) tell("open", { id: state.open, at: at && decodeURIComponent(at) });
  if (id) reveal(id);
}

const onConversation = (work) => () => state.open && void work(state.open).catch(() => {});

const KEYS = {
  j: () => go(1),
  k: () => go(-1),
  "/": () => document.getElementById("search")?.focus(),
  "?": keys,
  Enter: () => parts.chat.screen()?.composer.focus(),
  n: () => has("POST", "/api/conversations/{id}/notes") && parts.chat.screen()?.composer.mode("note"),
  t: () => parts.chat.screen()?.composer.template(),
  i: () => parts.frame.classList.toggle("with-details"),
  a: onConversation(claim),
  e: () => has("POST", "/api/conversations/{id}/close") && onConversation(close)(),
  u: onConversation((id) => markUnread(id).then(() => (location.hash = "#/"))),
};

function go(step) {
  const id = neighbour(step);
  if (id) location.hash = `#/c/${id}`;
}

function steer(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open], [popover]:popover-open")) return;
  const target = event.target;
  const writing = target.closest?.("input, textarea, select");
  if (event.key === "Escape") {
    if (writing) return target.blur();
    if (state.open) location.hash = "#/";
    return;
  }
  if (writing || (event.key === "Enter" && target.closest?.("a, button"))) return;
  if (!KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
}

void begin().catch((error) => {
  fill(root, el("p", { class: "starting", role: "alert" }, error.message, el("button", { type: "button", class: "plain", onclick: () => location.reload() }, say("Tentar de novo", "Try again"))));
});
