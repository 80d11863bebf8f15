// What a person may mean: quick replies after "/" at the start, people after "@" in a note.
import { call } from "./api.js";
import { el, fill, icon } from "./dom.js";
import { has } from "./doors.js";
import { on, state, team } from "./state.js";
import { say } from "./words.js";

const FRESH = 60_000;
let replies = { at: 0, data: [] };

async function quickReplies() {
  if (has("GET", "/api/quick-replies") && Date.now() - replies.at > FRESH) {
    const { data } = await call("GET", "/api/quick-replies", { query: { limit: 100 } }).catch(() => replies);
    replies = { at: Date.now(), data };
  }
  return replies.data;
}

// Its text with the names of this conversation in the place of {{contact.firstName}} and the like.
async function rendered({ id, content }, conversationId) {
  if (!content.includes("{{") || !has("POST", "/api/quick-replies/{id}/render")) return content;
  const answer = await call("POST", `/api/quick-replies/${id}/render`, { body: { conversationId } }).catch(
    () => null,
  );
  return answer?.content ?? content;
}

on("event", ({ event }) => event === "quick-replies:updated" && (replies.at = 0));

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

export function suggestions(text, { mode, id }) {
  const node = el("ul", {
    class: "suggest",
    role: "listbox",
    id: "suggest",
    hidden: true,
    "aria-label": say("Sugestões", "Suggestions"),
  });
  let found = [];
  let at = 0;

  async function look() {
    const { value } = text;
    const before = value.slice(0, text.selectionStart);
    const slash = mode() === "message" && /^\/(\S*)$/.exec(value);
    const mention = mode() === "note" && /(?:^|\s)@(\p{L}*)$/u.exec(before);
    const all = slash ? await quickReplies() : [];
    if (text.value !== value) return; // it was changed or sent while they came
    if (slash) offerReplies(all, slash[1]);
    else if (mention) offerPeople(mention[1]);
    else found = [];
    at = 0;
    draw();
  }

  function offerReplies(all, word) {
    found = all
      .filter(
        ({ shortcut, content }) =>
          plain(shortcut).includes(plain(word)) || (word.length > 2 && plain(content).includes(plain(word))),
      )
      .slice(0, 8)
      .map((reply) => ({
        name: `/${reply.shortcut.replace(/^\//, "")}`,
        about: reply.content,
        take: () => insert(reply),
      }));
    if (!found.length && has("GET", "/api/quick-replies"))
      found = [
        {
          name: say("Nenhuma resposta rápida", "No quick reply"),
          about: say("Crie-as com POST /api/quick-replies.", "Make them with POST /api/quick-replies."),
          take: () => {},
        },
      ];
  }

  function offerPeople(word) {
    found = team()
      .filter(([id, name]) => id !== state.me.id && plain(name).startsWith(plain(word)))
      .slice(0, 6)
      .map(([, name]) => ({
        name: `@${name}`,
        about: "",
        take: () =>
          writeBetween(
            text.value.slice(0, text.selectionStart).replace(/@\p{L}*$/u, `@${name} `),
            text.value.slice(text.selectionStart),
          ),
      }));
  }

  // In the place of what was there, with what has been written behind it meanwhile.
  async function insert(reply) {
    const { value } = text;
    const words = await rendered(reply, id());
    if (text.value.startsWith(value)) write(words + text.value.slice(value.length));
  }

  function write(value) {
    text.value = value;
    text.dispatchEvent(new Event("input"));
    text.focus();
  }

  function writeBetween(before, behind) {
    write(before + behind);
    text.setSelectionRange(before.length, before.length);
  }

  function choose(index) {
    const { take } = found[index];
    found = [];
    draw();
    take();
  }

  function draw() {
    node.hidden = !found.length;
    text.setAttribute("aria-expanded", String(!node.hidden));
    fill(
      node,
      found.map(({ name, about }, index) =>
        el(
          "li",
          {
            role: "option",
            id: `suggest-${index}`,
            "aria-selected": String(index === at),
            onmousedown: (event) => (event.preventDefault(), choose(index)),
          },
          icon(name.startsWith("@") ? "person" : "quick"),
          el("strong", {}, name),
          el("span", {}, about),
        ),
      ),
    );
    if (found.length) text.setAttribute("aria-activedescendant", `suggest-${at}`);
    else text.removeAttribute("aria-activedescendant");
  }

  text.setAttribute("aria-controls", "suggest");
  text.setAttribute("role", "combobox");
  text.setAttribute("aria-autocomplete", "list");
  text.setAttribute("aria-expanded", "false");
  text.addEventListener("input", look);
  text.addEventListener("blur", () => ((found = []), draw()));
  text.addEventListener("keydown", (event) => {
    if (!found.length) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) at = (at + step + found.length) % found.length;
    else if (event.key === "Enter" || event.key === "Tab") choose(at);
    else if (event.key === "Escape") ((found = []), event.stopPropagation());
    else return;
    event.preventDefault();
    draw();
  });

  // The ids of the people a note names.
  const mentioned = (content) =>
    [...state.people].filter(([id, name]) => id !== state.me.id && content.includes(`@${name}`)).map(([id]) => id);
  return { node, mentioned };
}
