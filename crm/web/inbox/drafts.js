// What was begun and not sent: in this page's memory, and on the server for the person's other screens.
import { call } from "./api.js";
import { later } from "./dom.js";
import { has } from "./doors.js";
import { chat } from "./state.js";

const DOOR = "/api/conversations/{id}/draft";

export async function recalled(id) {
  const kept = chat(id).draft;
  if (kept !== null || !has("GET", DOOR)) return kept ?? "";
  const draft = await call("GET", `/api/conversations/${id}/draft`).catch(() => null);
  if (draft) chat(id).draft ??= draft.content; // so that it is forgotten there when it is sent or rubbed out
  return draft?.content ?? "";
}

let writing = Promise.resolve();

// save(text) keeps it after a pause, save.now() at once.
export function keeper(id) {
  let text = null;
  const write = () => {
    if (text === null || text === chat(id).draft) return;
    const had = chat(id).draft;
    chat(id).draft = text;
    const path = `/api/conversations/${id}/draft`;
    if (!has("PUT", DOOR) || (!text && had === null)) return;
    const content = text; // one behind the other: the older could come last
    writing = writing
      .then(() => (content ? call("PUT", path, { body: { content } }) : call("DELETE", path)))
      .catch(() => {});
  };
  const soon = later(write, 800);
  const save = (given) => {
    text = given;
    soon();
  };
  return Object.assign(save, { now: () => (soon.cancel(), write()) });
}
