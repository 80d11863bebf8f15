// The customer's phone: watches one chat by server-sent events, and speaks through POST /_fake/inbound.
import { draw, tag } from "./bubble.js";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const person = {
  number: query.get("number"),
  as: query.get("as") ?? "+55 48 99844-8722",
  name: query.get("name") ?? "Dora",
};
const bubbles = new Map();
const reactions = new Map();
let numbers = [];
let me = null;
let feed = null;
let typingTimer = 0;

const KINDS = { image: "image", video: "video", audio: "audio" };

function presence(text) {
  $("presence").textContent = text;
}

function warn(text) {
  $("alert").textContent = text;
  $("alert").hidden = !text;
  follow();
}

function follow() {
  $("chat").scrollTop = $("chat").scrollHeight;
}

// --- speaking ---------------------------------------------------------------

async function say(message) {
  warn("");
  const body = { phoneNumberId: person.number, from: me.waId, bsuid: me.bsuid, name: person.name, ...message };
  try {
    const answer = await fetch("/_fake/inbound", { method: "POST", body: JSON.stringify(body) });
    const { status, error } = await answer.json();
    if (status !== 200) warn(refusal(status, error));
  } catch {
    if (message.text) $("text").value = [message.text, $("text").value].filter(Boolean).join("\n");
    warn("O fake da Meta não responde. Ele ainda está rodando?");
  }
}

function refusal(status, error) {
  if (status) return `O CRM não aceitou a mensagem: respondeu HTTP ${status}. A Meta vai tentar de novo.`;
  const reason = typeof error === "string" ? error : error?.error_data?.details ?? "sem resposta";
  return `O CRM não recebeu a mensagem: ${reason}`;
}

async function sendFile(file) {
  const kind = KINDS[file.type.split("/")[0]] ?? "document";
  const where = new URLSearchParams({ phoneNumberId: person.number, filename: file.name });
  const caption = $("text").value.trim();
  $("text").value = "";
  const headers = { "Content-Type": file.type };
  const stored = await fetch(`/_fake/media?${where}`, { method: "POST", body: file, headers }).catch(() => null);
  if (!stored?.ok) {
    $("text").value ||= caption;
    return warn("O arquivo não foi guardado pelo fake da Meta. Ele ainda está rodando?");
  }
  const { id } = await stored.json();
  await say({ type: kind, node: caption && kind !== "audio" ? { id, caption } : { id } });
}

// What can be done with a message of the business: each answer quotes it.
function acts(wamid) {
  const context = { from: numberOf(person.number)?.displayPhoneNumber.replace(/\D/g, ""), id: wamid };
  const reply = (type, chosen) => say({ type: "interactive", node: { type, [type]: chosen }, context });
  return {
    reply,
    press: (node) => say({ type: "button", node, context }),
    locate: () => say({ type: "location", node: { latitude: -27.4389, longitude: -48.4982, name: "Jurerê" }, context }),
    choose: (title, sections) => choose(title, sections, (row) => reply("list_reply", row)),
  };
}

function choose(title, sections, chosen) {
  $("options-title").textContent = title;
  const row = ({ id, title, description }) => tag(
    "button",
    { value: id, onclick: () => chosen(description ? { id, title, description } : { id, title }) },
    title, description ? tag("small", {}, description) : null,
  );
  $("rows").replaceChildren(...sections.flatMap((section) =>
    [section.title ? tag("h3", {}, section.title) : "", ...section.rows.map(row)]));
  $("options").showModal();
}

// --- showing ----------------------------------------------------------------

function show(bubble) {
  if (bubble.by === "business") stopTyping();
  if (bubble.type === "reaction") return react(bubble.node);
  bubbles.set(bubble.wamid, bubble);
  const drawn = draw(bubble, bubbles.get(bubble.context?.id ?? bubble.context?.message_id), acts(bubble.wamid));
  const old = find(bubble.wamid);
  if (old) old.replaceWith(drawn);
  else $("chat").append(drawn);
  if (reactions.has(bubble.wamid)) react({ message_id: bubble.wamid, emoji: reactions.get(bubble.wamid) });
  if (bubble.by === "customer" && bubble.state !== "refused") warn("");
  if (find(bubble.wamid) === $("chat").lastElementChild) follow();
}

function find(wamid) {
  return $("chat").querySelector(`[data-wamid="${CSS.escape(wamid)}"]`);
}

function react({ message_id: wamid, emoji }) {
  reactions.set(wamid, emoji);
  const target = find(wamid);
  target?.querySelector(".emoji")?.remove();
  target?.classList.toggle("reacted", Boolean(emoji));
  if (emoji) target?.append(tag("span", { class: "emoji", "aria-label": `Reação: ${emoji}` }, emoji));
}

function showTyping() {
  presence("digitando…");
  clearTimeout(typingTimer);
  typingTimer = setTimeout(stopTyping, 25_000);
}

function stopTyping() {
  clearTimeout(typingTimer);
  presence("online");
}

function clear() {
  bubbles.clear();
  reactions.clear();
  $("chat").replaceChildren();
}

// --- who and with whom --------------------------------------------------------

const numberOf = (id) => numbers.find((one) => one.phoneNumberId === id);

async function start() {
  numbers = await fetch("/_fake/numbers").then((answer) => answer.json()).catch(() => []);
  if (!numbers.length) {
    presence("nenhum número registrado ainda");
    return setTimeout(start, 2000);
  }
  if (!numberOf(person.number)) person.number = numbers[0].phoneNumberId;
  watch();
}

function watch() {
  feed?.close();
  me = null; // until the feed tells
  const hotel = numberOf(person.number);
  $("hotel").textContent = hotel.verifiedName;
  $("avatar").textContent = hotel.verifiedName.slice(0, 1);
  $("me").textContent = person.name;
  document.title = `${person.name} → ${hotel.verifiedName}`;
  const address = new URLSearchParams(person);
  history.replaceState(null, "", `?${address}`);
  feed = new EventSource(`/phone/feed?${address}`);
  feed.addEventListener("chat", ({ data }) => {
    const chat = JSON.parse(data);
    me = chat.me;
    clear();
    chat.bubbles.forEach(show);
    presence("online");
  });
  feed.addEventListener("bubble", ({ data }) => show(JSON.parse(data)));
  feed.addEventListener("typing", showTyping);
  feed.addEventListener("cleared", () => location.reload());
  feed.onerror = () => {
    presence("reconectando…");
    if (feed.readyState === EventSource.CLOSED) setTimeout(start, 2000);
  };
}

function openSettings() {
  const label = (one) => `${one.verifiedName} (${one.displayPhoneNumber})`;
  $("number").replaceChildren(...numbers.map((one) => tag("option", { value: one.phoneNumberId }, label(one))));
  const { elements } = $("settings").querySelector("form");
  for (const field of ["number", "name", "as"]) elements[field].value = person[field];
  $("settings").showModal();
}

function settle() {
  const how = $("settings").returnValue;
  const given = Object.fromEntries(new FormData($("settings").querySelector("form")));
  $("settings").returnValue = "";
  if (how === "tab") window.open(`/phone?${new URLSearchParams(given)}`, "_blank", "noopener");
  if (how !== "here") return;
  Object.assign(person, given);
  warn("");
  watch();
}

// --- wiring -------------------------------------------------------------------

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text || !me) return;
  $("text").value = "";
  say({ text });
});
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
$("file").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  target.value = "";
  if (file && me) await sendFile(file);
});
$("chat").addEventListener("load", follow, true);
$("who").addEventListener("click", openSettings);
$("settings").addEventListener("close", settle);
start();
