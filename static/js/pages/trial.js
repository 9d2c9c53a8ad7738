// The trial page: charts, finding in the log, and parts that stay fresh while it runs.

import { chartOf, mountCharts } from "../charts/mount.js";
import { refreshTimes } from "../format.js";
import { startLive } from "../poll.js";
import { wireLog } from "./log.js";

const page = document.getElementById("trial");

function replacePart(name, html) {
  const part = page.querySelector(`[data-part="${name}"]`);
  if (!part) return;
  // Somebody who reads at the end of the log goes on reading at its end.
  const atEnd = part.scrollHeight - part.scrollTop - part.clientHeight < 8;
  for (const card of part.querySelectorAll("[data-chart]")) chartOf(card)?.destroy();
  part.innerHTML = html; // rendered and escaped by our own server
  if (name === "log" && atEnd) part.scrollTop = part.scrollHeight;
  refreshTimes(part);
}

function drawModels(models) {
  page.dataset.reports = models.curve.reports?.length > 0 ? "yes" : "no";
  for (const [id, model] of Object.entries(models)) {
    document.getElementById(`${id}-model`).textContent = JSON.stringify(model);
    const card = document.getElementById(id);
    if (card && chartOf(card)) chartOf(card).update(model);
  }
  mountCharts();
}

function take(feed, log) {
  for (const [name, html] of Object.entries(feed.parts)) replacePart(name, html);
  if (feed.charts) drawModels(feed.charts);
  page.querySelector("[data-why]").dataset.state = feed.state;
  if (feed.parts.log !== undefined) log.refresh();
}

mountCharts();
const log = wireLog(document.querySelector("[data-log]"));
log.toEnd();
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});
if (page.dataset.final === "no") {
  startLive(page.dataset.feed, (feed) => take(feed, log), { since: page.dataset.since });
}
