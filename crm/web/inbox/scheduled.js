// The messages that go out later, next first, each of which can still be canceled.
import { call } from "./api.js";
import { cancel } from "./actions.js";
import { sheet } from "./dialogs.js";
import { el, fill, icon, tool } from "./dom.js";
import { moment } from "./format.js";
import { nameOf } from "./row.js";
import { state } from "./state.js";
import { say } from "./words.js";

export async function showScheduled() {
  const rows = el("ul", { class: "scheduled-list" }, el("li", { class: "empty" }, say("Carregando…", "Loading…")));
  const dialog = sheet(say("Mensagens agendadas", "Scheduled messages"), rows, true);
  const read = async () => {
    try {
      const { data } = await call("GET", "/api/messages/scheduled", { query: { limit: 100 } });
      await known(data);
      fill(
        rows,
        data.length
          ? data.map((message) => row(message, dialog, read))
          : el(
              "li",
              { class: "empty" },
              icon("clock", "large"),
              el(
                "p",
                {},
                say(
                  "Nada agendado. O relógio ao lado da mensagem agenda um envio.",
                  "Nothing is scheduled. The clock beside a message schedules it.",
                ),
              ),
            ),
      );
    } catch (error) {
      fill(rows, el("li", { class: "empty" }, error.message));
    }
  };
  await read();
}

// Whom they are for: most conversations are in no list that was read, above all those put away until a stay.
async function known(messages) {
  const ids = new Set(messages.map((message) => message.conversationId));
  const learn = async (id) => state.conversations.set(id, await call("GET", `/api/conversations/${id}`));
  await Promise.allSettled([...ids].filter((id) => !state.conversations.has(id)).map(learn));
}

function row(message, dialog, read) {
  const conversation = state.conversations.get(message.conversationId);
  return el(
    "li",
    {},
    el(
      "a",
      { href: `#/c/${message.conversationId}`, onclick: () => dialog.close() },
      el("time", { dateTime: message.sendAt }, moment(message.sendAt)),
      conversation && el("strong", {}, nameOf(conversation)),
      el("span", {}, message.content),
    ),
    tool("trash", say("Cancelar o envio", "Cancel the send"), async () => (await cancel(message), await read())),
  );
}
