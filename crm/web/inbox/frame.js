// The frame around the panes: sidebar, menus, the bar of a lost connection, files dropped anywhere.
import { canNotify, notifies } from "./alerts.js";
import { session } from "./api.js";
import { chatPane } from "./chat.js";
import { detailsPane } from "./details.js";
import { keys, menu, notice } from "./dialogs.js";
import { avatar, el, fill, icon, later, tool } from "./dom.js";
import { has } from "./doors.js";
import { listPane, views } from "./list.js";
import { filter } from "./reading.js";
import { showScheduled } from "./scheduled.js";
import { on, state } from "./state.js";
import { language, say, speak, theme } from "./words.js";

const PATIENCE = 1500; // milliseconds without a connection before anybody is told

// Draws all panes into `root`. live() is the socket, left() ends the page; the answer names frame and chat.
export function draw(root, live, left) {
  const chat = chatPane({
    back: () => (location.hash = "#/"),
    details: () => frame.classList.toggle("with-details"),
    join: (id) => live()?.join(id),
  });
  const details = detailsPane(() => frame.classList.remove("with-details"));
  const list = listPane(
    tool("menu", say("Menu", "Menu"), (event) => everything(event.currentTarget, settings(left)), {
      class: "tool only-narrow",
    }),
  );
  const frame = el(
    "div",
    { class: "frame" },
    sidebar(settings(left)),
    list,
    el("main", { class: "main-pane" }, chat),
    details,
  );
  fill(
    root,
    offline(live),
    frame,
    el(
      "div",
      { class: "drop", "aria-hidden": "true" },
      icon("clip", "huge"),
      say("Solte para anexar", "Drop to attach"),
    ),
  );
  on("open", ({ id }) => frame.classList.toggle("is-open", Boolean(id)));
  on("trouble", (error) =>
    notice(error.status ? error.message : say("Sem conexão: tente de novo.", "No connection: try again."), "bad"),
  );
  receiveDrops(root, chat);
  return { frame, chat };
}

function box([view, name, text], unread) {
  const count = unread[view];
  const label = say(`${count} não lidas`, `${count} unread`);
  const current = state.list.filter.view === view ? "page" : null;
  return el(
    "li",
    {},
    el(
      "button",
      { type: "button", "aria-current": current, title: text, data: { view }, onclick: () => filter({ view }) },
      icon(name),
      el("span", { class: "label" }, text),
      count ? el("span", { class: "badge", "aria-label": label }, count > 99 ? "99+" : count) : null,
    ),
  );
}

function sidebar(choices) {
  const items = el("ul", {});
  let drawn = "";
  const show = () => {
    const { mine, unassigned, total: all } = state.unread ?? {};
    const key = JSON.stringify([state.list.filter.view, mine, unassigned, all]);
    if (key === drawn) return; // so that the one who walks by keys keeps her place
    drawn = key;
    fill(
      items,
      views().map((view) => box(view, { mine, unassigned, all })),
    );
  };
  on("list", later(show, 0));
  on("unread", show);
  show();
  return el(
    "nav",
    { class: "sidebar", "aria-label": say("Caixas", "Boxes") },
    el("p", { class: "brand" }, icon("bell"), el("span", { class: "label" }, state.hotel.name)),
    items,
    el(
      "div",
      { class: "sidebar-end" },
      has("GET", "/api/messages/scheduled") &&
        el(
          "button",
          { type: "button", title: say("Agendadas", "Scheduled"), onclick: showScheduled },
          icon("clock"),
          el("span", { class: "label" }, say("Agendadas", "Scheduled")),
        ),
      el(
        "button",
        { type: "button", title: say("Teclas", "Keys"), onclick: keys },
        icon("keyboard"),
        el("span", { class: "label" }, say("Teclas", "Keys")),
      ),
      el(
        "button",
        {
          type: "button",
          class: "account",
          title: state.me.name,
          "aria-label": say(`Conta de ${state.me.name}`, `Account of ${state.me.name}`),
          onclick: (event) => menu(event.currentTarget, choices),
        },
        avatar(state.me.name, state.me.id),
        el("span", { class: "label" }, state.me.name),
      ),
    ),
  );
}

const settings = (left) => [
  canNotify() &&
    !notifies() && {
      icon: "bell",
      text: say("Ligar notificações", "Turn notifications on"),
      act: () => Notification.requestPermission(),
    },
  { icon: "sun", text: say("Claro", "Light"), act: () => theme("light") },
  { icon: "moon", text: say("Escuro", "Dark"), act: () => theme("dark") },
  { icon: "auto", text: say("Como o sistema", "As the system"), act: () => theme("auto") },
  {
    icon: "globe",
    text: language === "en" ? "Português" : "English",
    act: () => speak(language === "en" ? "pt-BR" : "en"),
  },
  { icon: "leave", text: say("Sair", "Sign out"), act: () => session.logout().then(() => left(null)) },
];

// On a phone the sidebar's place is this menu.
function everything(button, choices) {
  const boxes = views().map(([view, name, text]) => ({ icon: name, text, act: () => filter({ view }) }));
  menu(button, [
    ...boxes,
    has("GET", "/api/messages/scheduled") && {
      icon: "clock",
      text: say("Agendadas", "Scheduled"),
      act: showScheduled,
    },
    ...choices,
  ]);
}

// Shown when the connection has been away for a moment, not at each hiccup.
function offline(live) {
  const words = say(
    "Sem conexão. O que você escrever sai quando ela voltar.",
    "No connection. What you write goes out when it is back.",
  );
  const now = el(
    "button",
    { type: "button", class: "link", onclick: () => live().now() },
    say("Tentar agora", "Try now"),
  );
  const node = el(
    "div",
    { class: "offline", role: "status", hidden: true },
    icon("offline"),
    el("span", {}, words),
    now,
  );
  let timer = 0;
  on("connection", () => {
    if (state.connection !== "online") {
      timer ||= setTimeout(() => (node.hidden = false), PATIENCE);
      return;
    }
    clearTimeout(timer);
    timer = 0;
    if (!node.hidden) notice(say("Conectado de novo: nada se perdeu.", "Connected again: nothing was lost."));
    node.hidden = true;
  });
  return node;
}

function receiveDrops(root, chat) {
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
