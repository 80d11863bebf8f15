// Choosing an approved template, filling its parameters, and seeing what the guest will read.
import { call } from "./api.js";
import { upload } from "./actions.js";
import { sheet } from "./dialogs.js";
import { el, fill, icon, later } from "./dom.js";
import { capital, local } from "./format.js";
import { prepared } from "./pictures.js";
import { say } from "./words.js";

const MEDIA = { IMAGE: "image", VIDEO: "video", DOCUMENT: "document" };
const upper = (word) => (word ?? "").toUpperCase();
const part = (template, type) => template.components.find((component) => upper(component.type) === type);
const variables = (text) => [
  ...new Set([...(text ?? "").matchAll(/\{\{\s*([^{}]*?)\s*\}\}/g)].map(([, name]) => name)),
];

// What this page has no fields for: it is shown, and not offered.
function unfilled(template) {
  const format = upper(part(template, "HEADER")?.format) || "TEXT";
  const buttons = (part(template, "BUTTONS")?.buttons ?? []).map((button) => upper(button.type));
  if (part(template, "CAROUSEL")) return say("os cartões de um carrossel", "the cards of a carousel");
  if (part(template, "LIMITED_TIME_OFFER")?.limited_time_offer?.has_expiration)
    return say("o prazo de uma oferta", "the end of an offer");
  if (buttons.some((type) => type === "COPY_CODE" || type === "OTP")) return say("um código", "a code");
  return format === "TEXT" || MEDIA[format] ? null : say("este cabeçalho", "this header");
}

const title = (template) => capital(template.name.replaceAll("_", " "));

// send(body, shown, sendAt): the template as the API takes it, and its text for the screen.
export function chooseTemplate(conversation, send) {
  const body = el("div", { class: "template-body" });
  const dialog = sheet(say("Modelos aprovados", "Approved templates"), body, true);
  const pick = (template) => {
    const form = filling(
      template,
      conversation,
      () => list(),
      (...made) => (dialog.close(), send(...made)),
    );
    fill(body, form);
    form.querySelector("input, textarea, button.main")?.focus();
  };
  const list = () => fill(body, ...chooser(conversation, pick));
  list();
  body.querySelector("input").focus();
}

function chooser(conversation, pick) {
  const rows = el("ul", { class: "template-list" });
  let asked = "";
  const look = async (search) => {
    asked = search;
    try {
      const page = await call("GET", "/api/templates", {
        query: { status: "APPROVED", channelId: conversation?.channelId, search, limit: 50 },
      });
      if (search !== asked) return;
      fill(
        rows,
        page.data.length
          ? page.data.map((template) =>
              el(
                "li",
                {},
                el(
                  "button",
                  { type: "button", disabled: Boolean(unfilled(template)), onclick: () => pick(template) },
                  el("strong", {}, title(template)),
                  el("span", { class: "hint" }, `${category(template.category)} · ${template.language}`),
                  el("span", { class: "template-text" }, part(template, "BODY")?.text ?? ""),
                  unfilled(template) &&
                    el(
                      "span",
                      { class: "hint template-text" },
                      say(
                        `Não pode ser enviado daqui: esta página não preenche ${unfilled(template)}.`,
                        `It cannot be sent from here: this page does not fill ${unfilled(template)}.`,
                      ),
                    ),
                ),
              ),
            )
          : el(
              "li",
              { class: "empty" },
              icon("template", "large"),
              el(
                "p",
                {},
                search
                  ? say("Nenhum modelo com estas palavras.", "No template with these words.")
                  : say(
                      "Este número ainda não tem modelos aprovados. Um administrador pode pedi-los à Meta.",
                      "This number has no approved template yet. An admin can ask Meta for some.",
                    ),
              ),
            ),
      );
    } catch (error) {
      fill(rows, el("li", { class: "empty" }, el("p", {}, error.message)));
    }
  };
  void look("");
  const soon = later(look, 200);
  const search = el("input", {
    type: "search",
    "aria-label": say("Buscar modelos", "Search templates"),
    placeholder: say("Buscar modelos", "Search templates"),
    maxLength: 100,
    oninput: () => soon(search.value.trim()),
  });
  return [el("label", { class: "search" }, icon("search"), search), rows];
}

function category(name) {
  return (
    {
      UTILITY: say("Utilidade", "Utility"),
      MARKETING: "Marketing",
      AUTHENTICATION: say("Autenticação", "Authentication"),
    }[name] ?? name
  );
}

function filling(template, conversation, back, done) {
  const values = new Map(); // "BODY 1" -> text
  let file = null;
  const preview = el("div", { class: "template-preview", "aria-label": say("Prévia", "Preview"), role: "group" });
  const show = () => fill(preview, sample(template, values, file));
  const fields = wanted(template).map(({ key, label, example }, at) => {
    if (at === 0 && part(template, "BODY") && conversation?.contact.name && /^(1|nome|name)$/.test(label))
      values.set(key, conversation.contact.name.split(" ")[0]);
    return el(
      "label",
      {},
      `{{${label}}}`,
      el("input", {
        required: true,
        maxLength: 500,
        value: values.get(key) ?? "",
        placeholder: example ?? "",
        oninput: (event) => (values.set(key, event.target.value), show()),
      }),
    );
  });
  const header = MEDIA[upper(part(template, "HEADER")?.format)];
  if (header)
    fields.unshift(
      el(
        "label",
        {},
        say("Arquivo do cabeçalho", "File of the header"),
        el("input", {
          type: "file",
          required: true,
          onchange: (event) => ((file = event.target.files[0]), show()),
        }),
      ),
    );
  const at = el("input", { type: "datetime-local", min: local(new Date()) });
  const said = el("p", { class: "form-error", role: "alert" });
  const button = el("button", { class: "main" }, icon("send"), say("Enviar modelo", "Send template"));
  show();
  return el(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        button.disabled = true;
        try {
          const media = header ? await upload(await prepared(file)) : null;
          if (!button.isConnected) return; // the sheet was left meanwhile
          done(
            bodyOf(template, values, header, media, file),
            textOf(template, values),
            at.value ? new Date(at.value).toISOString() : undefined,
          );
        } catch (error) {
          said.textContent = error.errors?.[0]?.message ?? error.message;
          button.disabled = false;
        }
      },
    },
    el(
      "button",
      { type: "button", class: "link back-link", onclick: back },
      icon("back"),
      say("Outro modelo", "Another template"),
    ),
    el(
      "div",
      { class: "template-fill" },
      el(
        "div",
        {},
        el("h3", {}, title(template)),
        fields.length
          ? fields
          : el("p", { class: "hint" }, say("Este modelo não tem campos.", "This template has no fields.")),
        el("label", {}, say("Enviar mais tarde (opcional)", "Send later (optional)"), at),
      ),
      preview,
    ),
    said,
    el("div", { class: "dialog-foot" }, button),
  );
}

// The parameters a template asks for, in order.
function wanted(template) {
  const header = part(template, "HEADER");
  const body = part(template, "BODY");
  const examples =
    body?.example?.body_text?.[0] ?? body?.example?.body_text_named_params?.map((one) => one.example) ?? [];
  const buttons = part(template, "BUTTONS")?.buttons ?? [];
  return [
    ...(upper(header?.format) === "TEXT" || header?.text
      ? variables(header.text).map((label) => ({
          key: `HEADER ${label}`,
          label,
          example: header.example?.header_text?.[0],
        }))
      : []),
    ...variables(body?.text).map((label, at) => ({ key: `BODY ${label}`, label, example: examples[at] })),
    ...buttons.flatMap((button, at) =>
      variables(button.url).map((label) => ({
        key: `BUTTON${at} ${label}`,
        label: `${button.text} ${label}`,
        example: button.example?.[0],
      })),
    ),
  ];
}

function bodyOf(template, values, header, media, file) {
  const named = upper(template.parameterFormat) === "NAMED";
  const text = (kind) => (label) => ({
    type: "text",
    ...(named ? { parameter_name: label } : {}),
    text: values.get(`${kind} ${label}`),
  });
  const components = [];
  const top = part(template, "HEADER");
  if (media)
    components.push({
      type: "header",
      parameters: [
        { type: header, [header]: { id: media.id, ...(header === "document" ? { filename: file.name } : {}) } },
      ],
    });
  else if (variables(top?.text).length)
    components.push({ type: "header", parameters: variables(top.text).map(text("HEADER")) });
  const words = variables(part(template, "BODY")?.text);
  if (words.length) components.push({ type: "body", parameters: words.map(text("BODY")) });
  (part(template, "BUTTONS")?.buttons ?? []).forEach((button, at) => {
    const [label] = variables(button.url);
    if (label)
      components.push({
        type: "button",
        sub_type: "url",
        index: at,
        parameters: [{ type: "text", text: values.get(`BUTTON${at} ${label}`) }],
      });
  });
  return { name: template.name, language: template.language, ...(components.length ? { components } : {}) };
}

const filled = (text, kind, values) =>
  (text ?? "").replace(/\{\{\s*([^{}]*?)\s*\}\}/g, (whole, label) => values.get(`${kind} ${label}`) || whole);

function textOf(template, values) {
  return ["HEADER", "BODY", "FOOTER"]
    .map((kind) => filled(part(template, kind)?.text, kind, values))
    .filter(Boolean)
    .join("\n\n");
}

function sample(template, values, file) {
  const [header, body, footer] = ["HEADER", "BODY", "FOOTER"].map((kind) =>
    filled(part(template, kind)?.text, kind, values),
  );
  const media = MEDIA[upper(part(template, "HEADER")?.format)];
  const buttons = part(template, "BUTTONS")?.buttons ?? [];
  return el(
    "div",
    { class: "bubble mine" },
    media &&
      el(
        "p",
        { class: "standing" },
        icon("paper"),
        file?.name ?? say("Arquivo do cabeçalho", "File of the header"),
      ),
    header && el("p", { class: "words" }, el("strong", {}, header)),
    el("p", { class: "words" }, body),
    footer && el("p", { class: "hint" }, footer),
    buttons.length
      ? el(
          "ul",
          { class: "offered" },
          buttons.map(({ text }) => el("li", {}, text)),
        )
      : null,
  );
}
