// Nodes are built, never parsed: whatever a guest writes is text. (The page's CSP forbids innerHTML as well.)

import { calmly } from "./press.js";

const SVG = "http://www.w3.org/2000/svg";

// el("button", {class: "main", onclick: send, "aria-label": "…"}, icon("send"), "Enviar")
export function el(name, given = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "data") Object.assign(node.dataset, value);
    else if (key === "class") node.className = value;
    else if (key in node && !key.includes("-") && key !== "list" && key !== "form" && key !== "role")
      node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  append(node, children);
  return node;
}

export function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

export function fill(node, ...children) {
  node.replaceChildren();
  return append(node, children);
}

export function icon(name, kind = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${kind}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/inbox/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

// A button that is only an icon, with its name for screen readers and as its hint.
export function tool(name, label, onclick, more = {}) {
  return el(
    "button",
    { type: "button", class: "tool", "aria-label": label, title: label, onclick, ...more },
    icon(name),
  );
}

export function avatar(name, id) {
  const letters = (name ?? "").split(/\s+/).filter((word) => /\p{L}|\p{N}/u.test(word[0] ?? ""));
  const initials = letters.length
    ? [letters[0], letters.length > 1 ? letters.at(-1) : ""].map((word) => [...word][0] ?? "")
    : [];
  const tone = [...String(id ?? name)].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 997, 7) % 6;
  return el(
    "span",
    { class: `avatar tone${tone}`, "aria-hidden": "true" },
    initials.join("").toUpperCase() || icon("person"),
  );
}

// A text with its links as links; only http and https, and nothing of the guest's reaches an attribute but the address.
export function linked(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}]/g)) {
    parts.push(text.slice(from, match.index));
    parts.push(el("a", { href: match[0], target: "_blank", rel: "noopener noreferrer nofollow" }, match[0]));
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return parts;
}

// Does it once nothing has asked for it for so long, and nothing is pressed.
export function later(work, ms) {
  let timer = 0;
  const cancel = () => (clearTimeout(timer), (timer = 0));
  const soon = (...given) => {
    cancel();
    const mine = setTimeout(() => calmly(() => mine === timer && work(...given)), ms);
    timer = mine;
  };
  return Object.assign(soon, { cancel });
}

const called = (node) => `${node.tagName} ${node.getAttribute("aria-label") ?? node.textContent}`;

// Draws anew; who had the focus on something there has it on what took its place.
export function inPlace(node, draw) {
  const had = node.contains(document.activeElement) ? document.activeElement : null;
  draw();
  if (had && !had.isConnected)
    [...node.querySelectorAll("a, button, input, select")]
      .find((one) => called(one) === called(had))
      ?.focus({ preventScroll: true });
}

// As tall as its words, where the browser's own `field-sizing` does not do it.
export function grow(text) {
  if (CSS.supports("field-sizing", "content")) return;
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}
