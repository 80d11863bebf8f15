// One message as a bubble: its content by type, its reactions, its time and ticks, and what to do when it failed.
import { arrived, cancel, meaning, react, retry } from "./actions.js";
import { el, fill, icon, linked, tool } from "./dom.js";
import { mediaPart } from "./files.js";
import { moment, phone, time } from "./format.js";
import { menu } from "./dialogs.js";
import { chat, state } from "./state.js";
import { ticks } from "./ticks.js";
import { say } from "./words.js";

const EMOJI = ["👍", "❤️", "🙏", "😊", "🎉", "✅"];
const FILES = new Set(["image", "video", "audio", "voice", "document", "sticker"]);

// These stand on the message they are about and have no bubble of their own.
export const isSilent = ({ type, status }) => ["reaction", "edit", "revoke"].includes(type) && status !== "FAILED";

export function bubble(message, { first, reply, template }) {
  const mine = message.direction === "OUTBOUND";
  const classes = [
    "bubble",
    mine ? "mine" : "theirs",
    first && "first",
    message.type,
    message.status === "SCHEDULED" && "scheduled",
  ];
  return el(
    "li",
    {
      class: `message ${mine ? "out" : "in"}${first ? " first" : ""}`,
      data: { id: message.id, status: message.status },
    },
    el(
      "div",
      { class: classes.filter(Boolean).join(" ") },
      first && mine && author(message),
      message.replyTo && quoted(message),
      message.payload?.context?.forwarded &&
        el("p", { class: "hint" }, icon("forward"), say("Encaminhada", "Forwarded")),
      message.revokedAt
        ? el("p", { class: "aside" }, say("O cliente apagou esta mensagem.", "The customer deleted this message."))
        : content(message),
      el(
        "p",
        { class: "foot" },
        message.editedAt && el("span", {}, say("editada", "edited")),
        message.status === "SCHEDULED"
          ? el("span", {}, say(`sai em ${moment(message.sendAt)}`, `goes out ${moment(message.sendAt)}`))
          : el("time", { dateTime: message.createdAt, title: moment(message.createdAt) }, time(message.createdAt)),
        mine && ticks(message.failed ? "FAILED" : message.status),
      ),
      reactions(message),
      mine || !message.id.startsWith("local")
        ? el(
            "div",
            { class: "bubble-tools" },
            tool("more", say("Ações da mensagem", "Message actions"), (event) =>
              actions(event.currentTarget, message, reply),
            ),
          )
        : null,
    ),
    trouble(message, template),
  );
}

function author(message) {
  const name =
    message.origin === "PHONE" ? say("Celular do hotel", "Hotel's phone") : state.people.get(message.sentBy);
  return name && message.sentBy !== state.me.id ? el("p", { class: "author" }, name) : null;
}

function quoted(message) {
  const about = chat(message.conversationId).messages.find((one) => one.id === message.replyTo);
  return el(
    "blockquote",
    {},
    about
      ? [
          el("strong", {}, about.direction === "OUTBOUND" ? say("Hotel", "Hotel") : say("Hóspede", "Guest")),
          ` ${(about.content ?? "").slice(0, 140)}`,
        ]
      : say("Mensagem anterior", "Earlier message"),
  );
}

const caption = (message) => message.payload?.[message.type]?.caption ?? message.caption;
const words = (text) => el("p", { class: "words" }, linked(text));

function content(message) {
  const { type, payload } = message;
  if (FILES.has(type)) return [mediaPart(message) ?? aside(message), caption(message) && words(caption(message))];
  const draw = {
    text: () => words(message.content ?? ""),
    location: () => place(message),
    contacts: () => cards(payload?.contacts),
    interactive: () => interactive(message),
    button: () => chosen(payload?.button?.text ?? message.content),
    template: () => [
      el("p", { class: "hint" }, icon("template"), payload?.template?.name),
      words(message.content ?? ""),
    ],
  }[type];
  return (draw && (payload || type === "text" || type === "template") ? draw() : null) ?? aside(message);
}

// A kind we have no picture of: the server's own words for it.
function aside(message) {
  return el("p", { class: "aside" }, message.content);
}

function chosen(text) {
  return el("p", { class: "words chosen" }, icon("reply"), text);
}

function place(message) {
  const { latitude, longitude, name, address } = message.payload.location ?? {};
  if (latitude === undefined) return null;
  return el(
    "a",
    {
      class: "card-link",
      target: "_blank",
      rel: "noopener noreferrer",
      href: `https://www.openstreetmap.org/?mlat=${Number(latitude)}&mlon=${Number(longitude)}#map=16/${Number(latitude)}/${Number(longitude)}`,
    },
    icon("pin", "large"),
    el(
      "span",
      {},
      el("strong", {}, name ?? say("Localização", "Location")),
      el("small", {}, address ?? `${latitude}, ${longitude}`),
    ),
  );
}

function cards(list) {
  if (!Array.isArray(list)) return null;
  return list.map(({ name, phones, emails, org }) =>
    el(
      "div",
      { class: "card-link" },
      icon("person", "large"),
      el(
        "span",
        {},
        el("strong", {}, name?.formatted_name ?? name?.first_name ?? say("Contato", "Contact")),
        org?.company && el("small", {}, org.company),
        (phones ?? []).map(({ phone: number }) => number && el("small", {}, phone(number))),
        (emails ?? []).map(({ email }) => email && el("small", {}, email)),
      ),
    ),
  );
}

function interactive({ payload, content: text }) {
  const node = payload.interactive ?? {};
  const reply = node.button_reply ?? node.list_reply;
  if (reply) return [chosen(reply.title), reply.description && el("p", { class: "hint" }, reply.description)];
  const buttons = [
    ...(node.action?.buttons ?? []).map((button) => button.reply?.title),
    ...(node.action?.sections ?? []).flatMap(({ rows }) => rows?.map((row) => row.title) ?? []),
    node.action?.parameters?.display_text,
  ].filter(Boolean);
  return [
    words(node.body?.text ?? text ?? ""),
    buttons.length
      ? el(
          "ul",
          { class: "offered" },
          buttons.map((title) => el("li", {}, title)),
        )
      : null,
  ];
}

function reactions(message) {
  const given = message.reactions.filter(({ emoji }) => emoji);
  return given.length
    ? el(
        "p",
        { class: "reactions", "aria-label": say("Reações", "Reactions") },
        given.map(({ emoji }) => emoji),
      )
    : null;
}

function actions(button, message, reply) {
  const canAnswer = message.wamid && message.type !== "system";
  menu(button, [
    canAnswer && {
      row: EMOJI.map((emoji) => ({
        text: emoji,
        label: say(`Reagir com ${emoji}`, `React with ${emoji}`),
        act: () =>
          react(message, message.reactions.some((one) => one.emoji === emoji && one.by !== "contact") ? "" : emoji),
      })),
    },
    canAnswer && { icon: "reply", text: say("Responder", "Reply"), act: () => reply(message) },
    message.content && {
      icon: "copy",
      text: say("Copiar o texto", "Copy the text"),
      act: () => navigator.clipboard?.writeText(message.content),
    },
    message.status === "SCHEDULED" && {
      icon: "cross",
      text: say("Cancelar o envio", "Cancel the send"),
      act: () => cancel(message),
    },
  ]);
}

// --- what went wrong ----------------------------------------------------------------------------------------------

function trouble(message, template) {
  if (message.status === "LOCAL") return message.failed ? unsent(message) : null;
  if (message.status === "UNCERTAIN") return uncertain(message);
  if (message.status === "FAILED") return failure(message, template);
  return null;
}

const does = (text, act) => el("button", { type: "button", class: "link", onclick: act }, text);

function unsent(message) {
  return el(
    "div",
    { class: "trouble", role: "alert" },
    icon("warning"),
    el("p", {}, message.failed),
    does(say("Tentar de novo", "Try again"), message.again),
    does(say("Descartar", "Discard"), message.discard),
  );
}

// For a quarter of an hour Meta may still tell, and the API lets nobody decide.
function uncertain(message) {
  return message.error?.action === "send_again_or_arrived" ? undecided(message) : awaited();
}

function awaited() {
  const said = say(
    "O WhatsApp ainda não disse se esta mensagem chegou. Em até 15 minutos você poderá decidir.",
    "WhatsApp has not yet said whether this message arrived. Within 15 minutes you can decide.",
  );
  return el("div", { class: "trouble warn" }, icon("question"), el("p", {}, said));
}

function undecided(message) {
  return el(
    "div",
    { class: "trouble warn" },
    icon("question"),
    el(
      "p",
      {},
      say(
        "O WhatsApp não disse se esta mensagem chegou. Pergunte ao hóspede, ou decida:",
        "WhatsApp did not say whether this message arrived. Ask the guest, or decide:",
      ),
    ),
    does(say("Enviar de novo", "Send again"), () => retry(message)),
    does(say("Chegou", "It arrived"), () => arrived(message)),
  );
}

function failure(message, template) {
  const { code, title, detail, action } = message.error ?? {};
  const said = el("p", {}, detail || title || say("A mensagem não foi enviada.", "The message was not sent."));
  if (code)
    void meaning(code).then((known) => known && fill(said, known.sentence, " ", el("strong", {}, known.whatToDo)));
  return el(
    "div",
    { class: "trouble" },
    icon("warning"),
    said,
    action === "send_template" && does(say("Escolher um modelo", "Choose a template"), template),
    does(say("Enviar de novo", "Send again"), () => retry(message)),
  );
}
