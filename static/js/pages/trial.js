// The trial page: charts, finding in the log, and parts that stay fresh while it runs.

import { releaseCharts, showModels } from "../charts/live_models.js";
import { mountCharts } from "../charts/mount.js";
import { wireLazyCards } from "../lazy.js";
import { showParts } from "../parts.js";
import { startLive } from "../poll.js";
import { wireLog } from "./log.js";
import { wireOutputs } from "./outputs.js";

const page = document.getElementById("trial");

function showModelsOf(models) {
  page.dataset.reports = models.curve.reports?.length > 0 ? "yes" : "no";
  showModels(models);
}

function show({ parts: { log: lines, ...parts }, charts, state }) {
  showParts(parts, { root: page, release: releaseCharts });
  if (charts) showModelsOf(charts);
  page.querySelector("[data-why]").dataset.state = state;
  if (lines !== undefined) log.update(lines);
}

mountCharts();
wireLazyCards();
const log = wireLog(document.querySelector("[data-log]"));
wireOutputs(document.getElementById("outputs"));
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});
if (page.dataset.final === "no") {
  startLive(() => page.dataset.feed + location.search, show, { since: page.dataset.since });
}
