// What every page does: menus, dialogs, copying, tabs, closable messages, relative times.

import { wireBell } from "./bell.js";
import { wireCopy } from "./copy.js";
import { wireDialogs } from "./dialogs.js";
import { refreshTimes } from "./format.js";
import { wireMenus } from "./menus.js";
import { followMlflowLink } from "./mlflow_links.js";
import { wireSearch } from "./search.js";
import { wireTabs } from "./tabs.js";

const EVERY = 15000;

function wireNotes() {
  document.addEventListener("click", (event) => {
    event.target.closest("[data-note-close]")?.closest("[data-note]").remove();
  });
}

// Choosing from such a list sends its form; without scripts there is a button.
function wireChoices() {
  for (const button of document.querySelectorAll("[data-hide-with-scripts]")) button.hidden = true;
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-send-on-change]")) event.target.form.requestSubmit();
  });
}

followMlflowLink();
wireDialogs();
wireMenus();
wireCopy();
wireTabs();
wireSearch();
wireNotes();
wireChoices();
wireBell();
refreshTimes(document);
setInterval(() => refreshTimes(document), EVERY);
