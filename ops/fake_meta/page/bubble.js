// Draws one message as the customer's phone shows it. All text goes in as text, never as HTML.

export function tag(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
  return node;
}

const paragraph = (text, kind) => (text ? tag("p", kind ? { class: kind } : {}, text) : null);
const source = (media) => (media.id ? `/phone/media/${encodeURIComponent(media.id)}` : media.link ?? media.url);
const choices = (...items) => tag("div", { class: "choices" }, ...items);

function link(href, text) {
  return /^(https?|tel):/.test(href) || href.startsWith("/")
    ? tag("a", { href, target: "_blank", rel: "noopener noreferrer" }, text)
    : tag("span", {}, text);
}

const MEDIA = {
  image: (media) => tag("img", { src: source(media), alt: media.caption ?? "Foto recebida" }),
  sticker: (media) => tag("img", { src: source(media), alt: "Figurinha", width: 130 }),
  video: (media) => tag("video", { src: source(media), controls: "", "aria-label": "Vídeo" }),
  audio: (media) => tag("audio", { src: source(media), controls: "", "aria-label": "Áudio" }),
  document: (media) => link(source(media), `📄 ${media.filename ?? "Documento"}`),
};

function place({ latitude, longitude, name, address }) {
  const map = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
  return [paragraph(name, "head"), paragraph(address), link(map, `📍 ${latitude}, ${longitude}`)];
}

function people(contacts) {
  return contacts.map(({ name, phones }) =>
    paragraph(`👤 ${name?.formatted_name ?? "Contato"} ${(phones ?? []).map(({ phone }) => phone).join(", ")}`));
}

// What the business asks; `act` sends the customer's answer.
function actions({ type, action }, act) {
  if (type === "button") {
    return choices(...action.buttons.map(({ reply }) =>
      tag("button", { type: "button", onclick: () => act.reply("button_reply", reply) }, reply.title)));
  }
  if (type === "list") {
    const open = () => act.choose(action.button, action.sections);
    return choices(tag("button", { type: "button", onclick: open }, `☰ ${action.button}`));
  }
  if (type === "cta_url") return choices(link(action.parameters.url, action.parameters.display_text));
  if (type === "location_request_message") {
    return choices(tag("button", { type: "button", onclick: act.locate }, "📍 Enviar localização"));
  }
  return paragraph(`(${type})`, "kind");
}

function asked(node, act) {
  const picture = MEDIA[node.header?.type]?.(node.header[node.header.type]);
  const texts = [paragraph(node.header?.text, "head"), paragraph(node.body?.text), paragraph(node.footer?.text, "foot")];
  return [picture, ...texts, actions(node, act)];
}

function answered(node) {
  const reply = node.button_reply ?? node.list_reply;
  return [paragraph(reply?.title ?? `(${node.type})`), paragraph(reply?.description, "foot")];
}

function template(node, preview, act) {
  if (!preview) return [paragraph(`Modelo ${node.name}`, "kind")];
  const buttons = preview.buttons.map((button, index) => {
    const given = node.components?.find((part) => part.sub_type === "quick_reply" && Number(part.index) === index);
    if (button.type !== "QUICK_REPLY") return link(button.url ?? `tel:${button.phone_number}`, button.text);
    const payload = given?.parameters?.[0]?.payload ?? button.text;
    return tag("button", { type: "button", onclick: () => act.press({ payload, text: button.text }) }, button.text);
  });
  const texts = [paragraph(preview.header, "head"), paragraph(preview.body), paragraph(preview.footer, "foot")];
  return [...texts, buttons.length ? choices(...buttons) : null];
}

function content({ type, node, by, preview }, act) {
  if (type === "text") return [paragraph(node.body)];
  if (MEDIA[type]) return [MEDIA[type](node), paragraph(node.caption)];
  if (type === "location") return place(node);
  if (type === "contacts") return people(node);
  if (type === "button") return [paragraph(node.text)];
  if (type === "template") return template(node, preview, act);
  if (type === "interactive") return by === "business" ? asked(node, act) : answered(node);
  return [paragraph(type, "kind"), tag("pre", {}, JSON.stringify(node, null, 1) ?? "")];
}

export function summary({ type, node, preview }) {
  return node?.body?.text ?? node?.body ?? node?.caption ?? node?.text ?? preview?.body ?? type;
}

const TICKS = {
  sending: ["🕓", "enviando"],
  accepted: ["✓✓", "entregue ao hotel"],
  read: ["✓✓", "lida pelo hotel"],
  refused: ["!", "não aceita pelo CRM"],
};

function footer({ at, state }) {
  const time = new Date(at * 1000).toLocaleTimeString("pt-BR", { hour: "2-digit", minute: "2-digit" });
  const [sign, meaning] = TICKS[state] ?? [];
  const tick = sign && tag("span", { class: `tick ${state}`, role: "img", "aria-label": meaning, title: meaning }, sign);
  return tag("div", { class: "meta" }, tag("time", {}, time), tick);
}

export function draw(bubble, quoted, act) {
  const why = bubble.state === "refused" ? `O CRM não aceitou (${bubble.note}); a Meta tenta de novo.` : null;
  return tag(
    "li",
    { class: bubble.by === "customer" ? "bubble mine" : "bubble", "data-wamid": bubble.wamid },
    quoted ? tag("div", { class: "quote" }, String(summary(quoted))) : null,
    ...content(bubble, act),
    paragraph(why, "note"),
    footer(bubble),
  );
}
