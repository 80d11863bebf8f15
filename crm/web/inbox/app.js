// The page itself: signing in, the frame around the panes, what the address says, the keys.
import { claim, close, markUnread } from "./actions.js";
import { startAlerts } from "./alerts.js";
import { session } from "./api.js";
import { speakBy } from "./composer.js";
import { keys } from "./dialogs.js";
import { el, fill, icon } from "./dom.js";
import { has, learn } from "./doors.js";
import { draw } from "./frame.js";
import { neighbour, reveal } from "./list.js";
import { login, ownPassword } from "./login.js";
import { learnHouse, readList } from "./reading.js";
import { Live } from "./socket.js";
import { apply, state, tell } from "./state.js";
import { say } from "./words.js";

const root = document.getElementById("app");
const PATIENCE = 1500; // milliseconds in which the socket should listen; without it the page is read all the same
let live = null;
const parts = {}; // frame and chat

// --- beginning and end --------------------------------------------------------------------------------------------

async function begin() {
  let answer = null;
  if (session.isKept) {
    fill(
      root,
      el(
        "p",
        { class: "starting", role: "status" },
        icon("bell", "huge"),
        el("span", { class: "spoken" }, say("Abrindo…", "Opening…")),
      ),
    );
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
    return enter(
      await login(root, say("Esta página é dos hotéis: informe o seu.", "This page is for hotels: name yours.")),
    );
  }
  Object.assign(state, { me: user, hotel: tenant });
  session.onEnd(left);
  await learn();
  Object.assign(
    parts,
    draw(root, () => live, left),
  );
  // What is read before the socket listens lacks what happens in between: then it is read once more.
  const listening = connect();
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, true));
  if (await Promise.race([listening, late])) void listening.then(reread);
  await Promise.all([readList(), learnt()]).catch(() => {});
  startAlerts();
  route();
  addEventListener("hashchange", route);
  document.addEventListener("keydown", steer);
  return undefined;
}

// The session is over: all of the page's memory goes with it.
function left(error) {
  live?.stop();
  live = null;
  sessionStorage.setItem("crm.said", error?.message ?? "");
  location.reload();
}

// What is not sent yet would go with the page.
addEventListener("beforeunload", (event) => {
  const waits = [...state.chats.values()].some(({ messages }) => messages.some(({ status }) => status === "LOCAL"));
  if (live && waits) event.preventDefault();
});

const reread = () => readList().then(() => tell("reread"));

const learnt = () => learnHouse().catch(() => setTimeout(learnt, 4000));

// Resolves when the socket listens for the first time.
function connect() {
  let listens;
  const listening = new Promise((resolve) => (listens = resolve));
  live = new Live(
    (event, data) => {
      apply(event, data);
      if (event === "ready") listens();
      if (event === "resync") void reread();
    },
    (status) => {
      state.connection = status;
      tell("connection");
    },
    () => left(null),
  );
  speakBy((event, data) => live.say(event, data));
  void live.open();
  return listening;
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
  u: onConversation((id) => markUnread(id).then(() => state.open === id && (location.hash = "#/"))),
};

function go(step) {
  const id = neighbour(step);
  document.activeElement?.blur(); // Enter now means: write
  if (id) location.hash = `#/c/${id}`;
}

const PEN = 1500; // milliseconds in which a key still means the text that was taken away under the pen
let wrote = 0;
addEventListener("pointerdown", () => (wrote = 0), true);

function steer(event) {
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    document.querySelector("dialog[open], [popover]:popover-open")
  )
    return;
  const target = event.target;
  const writing = target.closest?.("input, textarea, select");
  if (writing) wrote = ["Escape", "Tab", "Enter"].includes(event.key) ? 0 : Date.now();
  else if (event.key !== "Escape" && target === document.body && Date.now() - wrote < PEN) {
    wrote = Date.now();
    return undefined;
  }
  if (event.key === "Escape") {
    if (writing) return target.blur();
    if (state.open) location.hash = "#/";
    return;
  }
  // The button of a dialog that has just been closed keeps the focus until the next frame: it is none any more.
  if (writing || (event.key === "Enter" && target.closest?.("a, button")?.checkVisibility())) return;
  if (!KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
}

void begin().catch((error) => {
  fill(
    root,
    el(
      "p",
      { class: "starting", role: "alert" },
      error.message,
      el(
        "button",
        { type: "button", class: "plain", onclick: () => location.reload() },
        say("Tentar de novo", "Try again"),
      ),
    ),
  );
});
