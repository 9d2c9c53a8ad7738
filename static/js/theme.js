// A classic script in <head>: the theme is on <html> before anything is painted.
// The choice "light", "dark" or "system" is the account's; this browser keeps it for
// pages before the login, and as long as the account has none.
(function () {
  "use strict";

  const KEY = "sweepsite-theme";
  const CHOICES = ["light", "dark", "system"];
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  function choice() {
    const ofAccount = root.dataset.accountTheme;
    if (CHOICES.includes(ofAccount)) {
      keep(ofAccount);
      return ofAccount;
    }
    try {
      const kept = window.localStorage.getItem(KEY);
      return CHOICES.includes(kept) ? kept : "system";
    } catch {
      return "system"; // storage is closed in some private windows
    }
  }

  function keep(value) {
    try {
      window.localStorage.setItem(KEY, value);
    } catch {
      root.dataset.themeChoice = value;
    }
  }

  function apply(value) {
    const theme = value === "system" ? (system.matches ? "dark" : "light") : value;
    root.dataset.themeChoice = value;
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    document.dispatchEvent(new CustomEvent("themechange", { detail: theme }));
  }

  function mark() {
    for (const button of document.querySelectorAll("[data-theme-set]")) {
      const picked = button.dataset.themeSet === root.dataset.themeChoice;
      button.setAttribute("aria-pressed", String(picked));
    }
  }

  function save(button) {
    const data = new FormData(button.form, button);
    fetch(button.form.action, { method: "POST", body: data, redirect: "manual" });
  }

  root.classList.add("js");
  apply(choice());
  system.addEventListener("change", () => apply(root.dataset.themeChoice));
  document.addEventListener("DOMContentLoaded", mark);
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-theme-set]");
    if (!button) return;
    event.preventDefault();
    save(button);
    keep(button.dataset.themeSet);
    apply(button.dataset.themeSet);
    mark();
  });
})();
