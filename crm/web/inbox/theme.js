// Before anything is drawn: the colours and the language this person chose, so that nothing flashes.
(() => {
  const chosen = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  };
  const theme = chosen("crm.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  const language = chosen("crm.language") ?? navigator.language;
  document.documentElement.lang = /^pt/i.test(language) ? "pt-BR" : "en";
})();
