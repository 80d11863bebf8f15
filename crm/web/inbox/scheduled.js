// When a message is to go out, and those that go out later, next first, each of which can still be canceled.
import { call } from "./api.js";
import { cancel } from "./actions.js";
import { ask, sheet } from "./dialogs.js";
import { el, fill, icon, tool } from "./dom.js";
import { local, moment } from "./format.js";
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

// The moment that a person chooses, as the API takes it; null when there is none.
export async function chooseTime() {
  const soon = new Date(Date.now() + 3_600_000);
  soon.setMinutes(0, 0, 0);
  const answer = await ask({
    title: say("Enviar mais tarde", "Send later"),
    confirm: say("Agendar", "Schedule"),
    fields: el(
      "label",
      {},
      say("Quando", "When"),
      el("input", {
        type: "datetime-local",
        name: "at",
        required: true,
        min: local(new Date()),
        value: local(soon),
      }),
      el(
        "small",
        {},
        say(
          "Se a janela de 24 horas estiver fechada nessa hora, a mensagem falha e avisa.",
          "If the 24-hour window is closed by then, the message fails and says so.",
        ),
      ),
    ),
  });
  return answer && new Date(answer.get("at")).toISOString();
}
