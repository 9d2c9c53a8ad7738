// What every page does: menus, dialogs, copying, tabs, closable messages, relative times.

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

followMlflowLink();
wireDialogs();
wireMenus();
wireCopy();
wireTabs();
wireSearch();
wireNotes();
refreshTimes(document);
setInterval(() => refreshTimes(document), EVERY);
