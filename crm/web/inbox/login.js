// Signing in: the hotel, the person, and a password of one's own where a temporary one was given.
import { call, session } from "./api.js";
import { el, fill, icon } from "./dom.js";
import { language, say, speak } from "./words.js";

const RESERVED = ["www", "api", "app", "admin"];

// The hotel by ?tenant=, by the address (aurora.crm.example), or the last one used here.
function guessed() {
  const { hostname, search } = location;
  const [label, ...rest] = hostname.split(".");
  const isName = rest.length >= 2 && !/^[\d.]+$|:/.test(hostname) && !RESERVED.includes(label);
  return new URLSearchParams(search).get("tenant") ?? (isName ? label : (localStorage.getItem("crm.hotel") ?? ""));
}

const field = (label, given) => el("label", {}, label, el("input", { required: true, ...given }));

// Draws the form and resolves with what signing in answered.
export function login(place, said = "") {
  return new Promise((resolve) => {
    const alert = el("p", { class: "form-error", role: "alert" }, said);
    const button = el("button", { class: "main" }, say("Entrar", "Sign in"));
    const slug = guessed();
    const form = el(
      "form",
      { class: "login-form" },
      el("h1", {}, say("Entrar na recepção", "Sign in to the front desk")),
      alert,
      field(say("Hotel", "Hotel"), {
        name: "slug",
        value: slug,
        autocomplete: "organization",
        autocapitalize: "none",
        spellcheck: false,
        placeholder: "aurora",
        maxLength: 60,
      }),
      field("E-mail", {
        name: "email",
        type: "email",
        autocomplete: "username",
        value: localStorage.getItem("crm.email") ?? "",
      }),
      field(say("Senha", "Password"), { name: "password", type: "password", autocomplete: "current-password" }),
      button,
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const given = Object.fromEntries(new FormData(form));
      button.disabled = true;
      alert.textContent = "";
      try {
        const answer = await session.login(given.slug.trim().toLowerCase(), given.email.trim(), given.password);
        localStorage.setItem("crm.hotel", given.slug.trim().toLowerCase());
        localStorage.setItem("crm.email", given.email.trim());
        resolve(answer.user.mustChangePassword ? await ownPassword(place, answer, given.password) : answer);
      } catch (error) {
        alert.textContent = error.status
          ? error.message
          : say(
              "O servidor não responde. Tente de novo em instantes.",
              "The server does not answer. Try again shortly.",
            );
        button.disabled = false;
      }
    });
    frame(place, form);
    [...form.elements].find(({ value }) => !value)?.focus();
  });
}

export function ownPassword(place, answer, current = "") {
  return new Promise((resolve) => {
    const alert = el("p", { class: "form-error", role: "alert" });
    const form = el(
      "form",
      { class: "login-form" },
      el("h1", {}, say("Escolha a sua senha", "Choose your password")),
      el("p", {}, say("A que você recebeu era temporária.", "The one you were given was temporary.")),
      alert,
      !current &&
        field(say("Senha atual", "Present password"), {
          name: "current",
          type: "password",
          autocomplete: "current-password",
        }),
      field(say("Nova senha", "New password"), {
        name: "fresh",
        type: "password",
        autocomplete: "new-password",
        minLength: 8,
      }),
      el("button", { class: "main" }, say("Guardar", "Save")),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const given = Object.fromEntries(new FormData(form));
      try {
        await call("POST", "/auth/change-password", {
          body: { currentPassword: given.current ?? current, newPassword: given.fresh },
        });
        resolve({ ...answer, user: { ...answer.user, mustChangePassword: false } });
      } catch (error) {
        alert.textContent = error.errors?.[0]?.message ?? error.message;
      }
    });
    frame(place, form);
    form.querySelector("input").focus();
  });
}

function frame(place, form) {
  const other = language === "en" ? "pt-BR" : "en";
  fill(
    place,
    el(
      "main",
      { class: "login" },
      el(
        "div",
        { class: "login-art", "aria-hidden": "true" },
        icon("bell", "huge"),
        el("p", {}, say("Toda conversa merece uma boa recepção.", "Every conversation deserves a good welcome.")),
      ),
      el(
        "div",
        { class: "login-side" },
        form,
        el(
          "button",
          { type: "button", class: "link", lang: other, onclick: () => speak(other) },
          other === "en" ? "English" : "Português",
        ),
      ),
    ),
  );
}
