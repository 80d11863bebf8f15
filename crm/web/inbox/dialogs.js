// Menus, questions, short notices and the sheet of keys. All of them close by Esc and give the focus back.
import { el, icon, tool } from "./dom.js";
import { has } from "./doors.js";
import { say } from "./words.js";

// items: {icon, text, act, danger?} or {row: [{text, label, act}]}; falsy ones are left out.
export function menu(button, items) {
  const list = el("div", { class: "menu", popover: "auto", role: "menu" });
  const done = (act) => () => {
    list.hidePopover();
    act();
  };
  for (const item of items.filter(Boolean)) {
    if (item.row) {
      list.append(
        el(
          "div",
          { class: "menu-row", role: "group" },
          item.row.map(({ text, label, act }) =>
            el("button", { type: "button", role: "menuitem", "aria-label": label, onclick: done(act) }, text),
          ),
        ),
      );
    } else {
      list.append(
        el(
          "button",
          { type: "button", role: "menuitem", class: item.danger ? "danger" : "", onclick: done(item.act) },
          icon(item.icon),
          item.text,
        ),
      );
    }
  }
  list.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    list.remove();
    if (document.activeElement === document.body) anew(button)?.focus(); // drawn anew meanwhile
  });
  list.addEventListener("keydown", (event) => steer(event, list));
  document.body.append(list);
  list.showPopover();
  put(list, button.getBoundingClientRect());
  list.querySelector("button")?.focus();
}

// The button itself, or what took its place.
const anew = (button) =>
  button.isConnected
    ? button
    : document.querySelector(`.chat-head [aria-label="${CSS.escape(button.getAttribute("aria-label") ?? "")}"]`);

function put(node, { left, right, top, bottom }) {
  const { offsetWidth: width, offsetHeight: height } = node;
  const below = bottom + height + 8 < innerHeight;
  node.style.top = `${Math.max(8, below ? bottom + 4 : top - height - 4)}px`;
  node.style.left = `${Math.max(8, Math.min(right - width, innerWidth - width - 8, left + width > innerWidth ? Infinity : left))}px`;
}

function steer(event, list) {
  const buttons = [...list.querySelectorAll("button")];
  const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length].focus();
}

// A dialog with a form: resolves with its FormData, or null when it was left.
export function ask({ title, fields, confirm, wide = false, footer = [] }) {
  return new Promise((resolve) => {
    const form = el(
      "form",
      { method: "dialog" },
      fields,
      el(
        "div",
        { class: "dialog-foot" },
        footer,
        el("button", { type: "button", class: "plain", onclick: () => dialog.close() }, say("Cancelar", "Cancel")),
        el("button", { class: "main", value: "yes" }, confirm),
      ),
    );
    const dialog = sheet(title, form, wide);
    let answer = null;
    form.addEventListener("submit", () => (answer = new FormData(form)));
    dialog.addEventListener("close", () => resolve(answer));
  });
}

export function sheet(title, body, wide = false) {
  const id = `title-${Math.random().toString(36).slice(2)}`;
  const dialog = el(
    "dialog",
    {
      class: wide ? "wide" : "",
      "aria-labelledby": id,
      onclose: () => dialog.remove(),
      onclick: (event) => event.target === dialog && dialog.close(),
    },
    el(
      "div",
      { class: "dialog-box" },
      el(
        "header",
        {},
        el("h2", { id }, title),
        tool("cross", say("Fechar", "Close"), () => dialog.close()),
      ),
      body,
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector(".dialog-box input, .dialog-box select, .dialog-box textarea")?.focus();
  return dialog;
}

let places = null;

export function notice(text, kind = "") {
  places ??= document.body.appendChild(el("div", { class: "notices", role: "status", "aria-live": "polite" }));
  const node = el("p", { class: `notice ${kind}` }, text);
  places.append(node);
  setTimeout(() => node.remove(), kind === "bad" ? 8000 : 4000);
}

export function keys() {
  const rows = [
    ["j", say("próxima conversa", "next conversation")],
    ["k", say("conversa anterior", "previous conversation")],
    ["Enter", say("escrever", "write")],
    [
      "/",
      say("buscar; no início da mensagem, respostas rápidas", "search; at the start of a message, quick replies"),
    ],
    ["Esc", say("voltar à lista", "back to the list")],
    ["a", say("assumir a conversa", "take the conversation")],
    has("POST", "/api/conversations/{id}/notes") && ["n", say("nota interna", "internal note")],
    ["t", say("modelos", "templates")],
    has("POST", "/api/conversations/{id}/close") && ["e", say("encerrar", "close")],
    ["u", say("marcar como não lida", "mark as unread")],
    ["i", say("detalhes", "details")],
    ["?", say("esta folha", "this sheet")],
  ].filter(Boolean);
  sheet(
    say("Teclas", "Keys"),
    el(
      "dl",
      { class: "keys" },
      rows.map(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)]),
    ),
  );
}
