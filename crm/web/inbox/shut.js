// When no message can be written: why, and what can be done instead.
import { reopen } from "./actions.js";
import { el, icon } from "./dom.js";
import { has } from "./doors.js";
import { say } from "./words.js";

// "closed", "window", or null: it can be written.
export function why(conversation) {
  if (!conversation) return null;
  const { status, windowExpiresAt: until } = conversation;
  if (status === "CLOSED" && has("POST", "/api/conversations/{id}/reopen")) return "closed";
  return until && new Date(until) > new Date() ? null : "window";
}

export function windowShut(template) {
  return [
    icon("hourglass"),
    el(
      "p",
      {},
      el("strong", {}, say("A janela de 24 horas está fechada.", "The 24-hour window is closed.")),
      " ",
      say(
        "Até o hóspede escrever, só um modelo aprovado pode ser enviado.",
        "Until the guest writes, only an approved template may be sent.",
      ),
    ),
    el(
      "button",
      { type: "button", class: "main", onclick: template },
      icon("template"),
      say("Escolher um modelo", "Choose a template"),
    ),
  ];
}

export function closed(id) {
  return [
    icon("check"),
    el(
      "p",
      {},
      el("strong", {}, say("Esta conversa está encerrada.", "This conversation is closed.")),
      " ",
      say("Se o hóspede escrever, ela volta sozinha.", "When the guest writes, it comes back by itself."),
    ),
    el(
      "button",
      { type: "button", class: "main", onclick: () => reopen(id).catch(() => {}) },
      icon("reply"),
      say("Reabrir", "Reopen"),
    ),
  ];
}
