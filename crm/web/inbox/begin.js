// A conversation that the hotel begins: with a phone number, over the hotel's first number.
import { call } from "./api.js";
import { ask, notice } from "./dialogs.js";
import { el } from "./dom.js";
import { put } from "./state.js";
import { say } from "./words.js";

export async function begin() {
  const answer = await ask({
    title: say("Nova conversa", "New conversation"),
    confirm: say("Abrir", "Open"),
    fields: el(
      "label",
      {},
      say("Celular, com o código do país", "Mobile, with its country code"),
      el("input", {
        name: "to",
        type: "tel",
        required: true,
        pattern: "\\+?[0-9 \\(\\).\\-]{5,40}",
        placeholder: "+55 48 99844-8722",
        autocomplete: "off",
      }),
    ),
  });
  if (!answer) return;
  try {
    const conversation = await call("POST", "/api/conversations", { body: { to: answer.get("to").trim() } });
    put(conversation);
    location.hash = `#/c/${conversation.id}`;
  } catch (error) {
    notice(error.errors?.[0]?.message ?? error.message, "bad");
  }
}
