// What every page does: dialogs, copying, tabs, closable messages, relative times.

import { wireCopy } from "./copy.js";
import { wireDialogs } from "./dialogs.js";
import { refreshTimes } from "./format.js";
import { wireTabs } from "./tabs.js";

const EVERY = 15000;

function wireNotes() {
  for (const button of document.querySelectorAll("[data-note-close]")) {
    button.hidden = false;
    button.addEventListener("click", () => button.closest("[data-note]").remove());
  }
}

wireDialogs();
wireCopy();
wireTabs();
wireNotes();
refreshTimes(document);
setInterval(() => refreshTimes(document), EVERY);
