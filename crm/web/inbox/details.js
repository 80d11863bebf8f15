// Beside the conversation: who the guest is, who answers them, tags, stays; and the questions for giving it away.
import { call } from "./api.js";
import { assign, snooze, tag } from "./actions.js";
import { ask } from "./dialogs.js";
import { avatar, el, fill, icon, inPlace, later, tool } from "./dom.js";
import { has } from "./doors.js";
import { local, moment, phone } from "./format.js";
import { nameOf, tagOf } from "./row.js";
import { on, state, team } from "./state.js";
import { say } from "./words.js";

export function detailsPane(close) {
  const pane = el("aside", { class: "pane details", "aria-label": say("Detalhes", "Details") });
  const known = new Map(); // contact id -> {contact, stays}
  let drawn = "";
  let of = null; // whose details are drawn
  const draw = () => {
    const conversation = state.conversations.get(state.open);
    pane.hidden = !conversation;
    if (!conversation || (of === conversation.id && pane.querySelector("input:focus"))) return;
    const more = known.get(conversation.contact.id) ?? {};
    const key = JSON.stringify([conversation, more, state.tags.length]);
    if (key !== drawn) inPlace(pane, () => fill(pane, body(conversation, more, close)));
    [drawn, of] = [key, conversation.id];
  };
  pane.addEventListener("focusout", later(draw, 0)); // who writes a tag there writes it to its end
  const read = async (conversation) => {
    const { id } = conversation.contact;
    const path = `/api/contacts/${id}`;
    const stays = has("GET", "/api/contacts/{id}/stays") ? call("GET", `${path}/stays`).catch(() => null) : null;
    known.set(id, { contact: await call("GET", path).catch(() => null), stays: (await stays)?.data ?? [] });
    draw();
  };
  on("open", ({ id }) => {
    draw();
    const conversation = state.conversations.get(id);
    if (conversation) void read(conversation);
  });
  on("conversation", (conversation) => {
    if (conversation.id !== state.open) return;
    draw();
    if (!known.has(conversation.contact.id)) void read(conversation);
  });
  on("house", draw);
  return pane;
}

const section = (title, ...content) => el("section", {}, el("h3", {}, title), content);
const line = (name, value) => value && el("div", { class: "line-item" }, el("dt", {}, name), el("dd", {}, value));

function body(conversation, { contact, stays = [] }, close) {
  return [
    el(
      "header",
      { class: "bar" },
      el("h2", {}, say("Detalhes", "Details")),
      tool("cross", say("Fechar", "Close"), close),
    ),
    el(
      "div",
      { class: "person-card" },
      avatar(conversation.contact.name, conversation.contact.id),
      el("p", { class: "person-name" }, nameOf(conversation)),
      el("p", {}, phone(conversation.contact.phone)),
    ),
    section(
      say("Atendimento", "Service"),
      el(
        "dl",
        {},
        line(say("Responsável", "Assigned to"), conversation.assignedTo?.name ?? say("ninguém", "nobody")),
        line(say("Setor", "Department"), conversation.department?.name),
        line(say("Adiada até", "Snoozed until"), conversation.snoozedUntil && moment(conversation.snoozedUntil)),
        line(
          say("Janela até", "Window until"),
          conversation.windowExpiresAt && moment(conversation.windowExpiresAt),
        ),
        line(say("Sem custo até", "Free until"), conversation.freeUntil && moment(conversation.freeUntil)),
        line(say("Começou", "Began"), moment(conversation.createdAt)),
      ),
      el(
        "button",
        { type: "button", class: "plain wide-button", onclick: () => chooseTransfer(conversation) },
        icon("transfer"),
        say("Transferir", "Transfer"),
      ),
    ),
    has("PATCH", "/api/conversations/{id}") && section(say("Etiquetas", "Tags"), tags(conversation)),
    stays.length ? section(say("Estadias", "Stays"), el("ul", { class: "stays" }, stays.map(stay))) : null,
    contact &&
      section(
        say("Contato", "Contact"),
        el(
          "dl",
          {},
          line(say("Usuário", "User name"), contact.username && `@${contact.username}`),
          line("E-mail", contact.email),
          line(
            say("Marketing", "Marketing"),
            contact.marketingOptOut ? say("não quer receber", "wants none") : null,
          ),
          line(say("Desde", "Since"), moment(contact.createdAt)),
        ),
      ),
  ];
}

const standings = () => ({
  BOOKED: say("reservada", "booked"),
  IN_HOUSE: say("hospedado", "in house"),
  CHECKED_OUT: say("saiu", "checked out"),
  CANCELED: say("cancelada", "canceled"),
  NO_SHOW: say("não veio", "no show"),
});

function stay({ code, checkIn, checkOut, room, status }) {
  const date = (text) => text?.split("-").reverse().slice(0, 2).join("/");
  return el(
    "li",
    {},
    icon("key"),
    el(
      "span",
      {},
      el("strong", {}, `${date(checkIn)} – ${date(checkOut)}`),
      el(
        "small",
        {},
        [room && say(`quarto ${room}`, `room ${room}`), code, standings()[status]].filter(Boolean).join(" · "),
      ),
    ),
  );
}

let tagging = Promise.resolve(); // one change behind the other: each says all the tags there are then

function tags(conversation) {
  // Of those it has now: a colleague may have put one since this was drawn.
  const set = (change) => {
    const now = () => (state.conversations.get(conversation.id) ?? conversation).tags;
    tagging = tagging.then(() => tag(conversation.id, change(now()))).catch(() => {});
  };
  const free = state.tags.map(({ name }) => name).filter((name) => !conversation.tags.includes(name));
  const add = free.length
    ? el(
        "select",
        {
          "aria-label": say("Pôr uma etiqueta", "Add a tag"),
          onchange: (event) => event.target.value && set((now) => [...now, event.target.value]),
        },
        el("option", { value: "" }, say("+ etiqueta", "+ tag")),
        free.map((name) => el("option", {}, name)),
      )
    : !state.tags.length &&
      el("input", {
        "aria-label": say("Nova etiqueta", "New tag"),
        placeholder: say("+ etiqueta", "+ tag"),
        maxLength: 40,
        onkeydown: ({ key, target }) => {
          const name = target.value.trim();
          if (key !== "Enter" || !name) return;
          target.blur();
          set((now) => [...now.filter((one) => one !== name), name]);
        },
      });
  return el(
    "div",
    { class: "tags" },
    conversation.tags.map((name) =>
      tagOf(
        name,
        el(
          "button",
          {
            type: "button",
            "aria-label": say(`Tirar ${name}`, `Remove ${name}`),
            onclick: () => set((now) => now.filter((one) => one !== name)),
          },
          icon("cross"),
        ),
      ),
    ),
    add,
  );
}

// --- questions ----------------------------------------------------------------------------------------------------

export async function chooseTransfer(conversation) {
  const people = team().sort(([, one], [, other]) => one.localeCompare(other));
  const option = (value, text, now) => el("option", { value, selected: now }, text);
  const answer = await ask({
    title: say("Transferir a conversa", "Transfer the conversation"),
    confirm: say("Transferir", "Transfer"),
    fields: [
      el(
        "label",
        {},
        say("Para quem", "To whom"),
        el(
          "select",
          { name: "user" },
          option("", say("Ninguém (volta à fila)", "Nobody (back to the queue)"), false),
          people.map(([id, name]) =>
            option(
              id,
              id === state.me.id ? say(`${name} (você)`, `${name} (you)`) : name,
              id === conversation.assignedTo?.id,
            ),
          ),
        ),
      ),
      state.departments.length
        ? el(
            "label",
            {},
            say("Setor", "Department"),
            el(
              "select",
              { name: "department" },
              option("", say("Nenhum", "None"), !conversation.department),
              state.departments.map(({ id, name }) => option(id, name, id === conversation.department?.id)),
            ),
          )
        : null,
      has("POST", "/api/conversations/{id}/notes")
        ? el(
            "label",
            {},
            say("Recado (opcional)", "Note (optional)"),
            el("textarea", {
              name: "note",
              rows: 3,
              maxLength: 2000,
              placeholder: say("O que a próxima pessoa precisa saber", "What the next person should know"),
            }),
          )
        : null,
    ],
  });
  if (!answer) return;
  const [user, department, note] = ["user", "department", "note"].map((name) => answer.get(name)?.trim() || null);
  const to = note ? { note } : {};
  if (department !== (conversation.department?.id ?? null)) to.departmentId = department;
  if (user !== (conversation.assignedTo?.id ?? null) || !("departmentId" in to)) to.userId = user;
  await assign(conversation.id, to).catch(() => {});
}

export async function chooseSnooze(id) {
  const morning = new Date();
  morning.setDate(morning.getDate() + 1);
  morning.setHours(8, 0, 0, 0);
  const answer = await ask({
    title: say("Adiar a conversa", "Snooze the conversation"),
    confirm: say("Adiar", "Snooze"),
    fields: el(
      "label",
      {},
      say("Volta em", "Comes back at"),
      el("input", {
        type: "datetime-local",
        name: "until",
        required: true,
        min: local(new Date()),
        value: local(morning),
      }),
      el("small", {}, say("Volta antes se o hóspede escrever.", "It comes back earlier when the guest writes.")),
    ),
  });
  if (answer) await snooze(id, new Date(answer.get("until")).toISOString()).catch(() => {});
}
