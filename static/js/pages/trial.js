// The trial page: charts, finding in the log, and parts that stay fresh while it runs.

import { releaseCharts, showModels } from "../charts/live_models.js";
import { mountCharts } from "../charts/mount.js";
import { showPart, showParts } from "../parts.js";
import { startLive } from "../poll.js";
import { wireLog } from "./log.js";

const page = document.getElementById("trial");

function showModelsOf(models) {
  page.dataset.reports = models.curve.reports?.length > 0 ? "yes" : "no";
  showModels(models);
}

// A log scrolled to its end stays at its end.
function showLog(html) {
  const part = page.querySelector('[data-part="log"]');
  const atEnd = part.scrollHeight - part.scrollTop - part.clientHeight < 8;
  showPart(part, html);
  if (atEnd) part.scrollTop = part.scrollHeight;
  log.refresh();
}

function show({ parts: { log: lines, ...parts }, charts, state }) {
  showParts(parts, { root: page, release: releaseCharts });
  if (charts) showModelsOf(charts);
  page.querySelector("[data-why]").dataset.state = state;
  if (lines !== undefined) showLog(lines);
}

mountCharts();
const log = wireLog(document.querySelector("[data-log]"));
log.toEnd();
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});
if (page.dataset.final === "no") {
  startLive(page.dataset.feed, show, { since: page.dataset.since });
}
