// Every sentence stands where it is used, in both languages: say("Enviar", "Send").

export const language = document.documentElement.lang === "en" ? "en" : "pt-BR";

export function say(pt, en) {
  return language === "en" ? en : pt;
}

export function speak(other) {
  localStorage.setItem("crm.language", other);
  location.reload();
}

export function theme(name) {
  if (name === "auto") {
    localStorage.removeItem("crm.theme");
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem("crm.theme", name);
    document.documentElement.dataset.theme = name;
  }
}
