// A sweep's page: charts, table and tiles, kept fresh by its feed.

import { wireAdvice } from "../advice.js";
import { count, duration } from "../format.js";
import { showParts } from "../parts.js";
import { startLive } from "../poll.js";
import { paced, timed } from "../charts/data/paced.js";
import { merged, withNews } from "./sweep_model.js";
import { refreshTicked, showRows, wireTable } from "./sweep_table.js";

const root = document.querySelector("[data-sweep]");
const started = new WeakMap();
let model = readModel();
let charts = null;
let overview = null;
let opened = false;

function readModel() {
  const source = document.getElementById("sweep-model");
  return source ? JSON.parse(source.textContent) : null;
}

// ---- durations that count on --------------------------------------------------------

function tick() {
  for (const element of document.querySelectorAll("[data-ticking]")) {
    if (!started.has(element)) started.set(element, performance.now());
    const since = (performance.now() - started.get(element)) / 1000;
    element.textContent = duration(Math.floor(Number(element.dataset.ticking) + since));
  }
}

// ---- charts -------------------------------------------------------------------------

async function drawCharts() {
  if (!document.querySelector("[data-chart]")) return;
  charts ??= { ...(await import("../charts/mount.js")), ...(await import("../charts/live_models.js")) };
  charts.mountCharts(document);
  if (model && !opened && root.querySelector("[data-linked]")) {
    // Before the script is there, news may call this again.
    opened = true;
    const { openOverview } = await import("./sweep_charts.js");
    overview = openOverview(root, model, charts.chartOf(document.getElementById("curves")));
  }
}

const drawCurves = paced(() => timed(() => charts.chartOf(document.getElementById("curves"))?.update(model)));

function updateCharts(news) {
  if (!model || !charts) return;
  if (news.trials.length === 0 && news.total === model.total) return;
  model = withNews(model, news);
  drawCurves();
  overview?.freshen();
}

// ---- the feed -----------------------------------------------------------------------

// The page was drawn without a table or charts: with the first trial it needs both.
function needsReload(news) {
  return news.order.length > 0 && !root.querySelector("[data-rows]");
}

function show(news) {
  if (!news.changed) return;
  if (needsReload(news)) {
    location.reload();
    return;
  }
  showParts(news.parts, { release: (part) => charts?.releaseCharts(part) });
  const body = root.querySelector("[data-rows]");
  if (body && !overview?.holdsRows(news.order, news.rows)) showRows(body, news.order, news.rows);
  refreshTicked(root);
  showCounts(news);
  showBest(news);
  updateCharts(news);
  drawCharts();
  tick();
}

function showCounts({ counts, cancel, running, order }) {
  const tried = Object.values(counts).reduce((sum, each) => sum + each, 0);
  for (const element of document.querySelectorAll("[data-trial-count]")) element.textContent = count(tried);
  const all = root.querySelector("[data-show-all]");
  if (all) all.hidden = tried <= order.length;
  const text = document.querySelector("#cancel-sweep .confirm-text");
  if (text && cancel) text.textContent = cancel;
  const runs = document.querySelector("[data-running-trials]");
  if (runs && running) runs.textContent = running;
}

function showBest({ best_number: best }) {
  const button = root.querySelector("[data-compare-best]");
  if (!button) return;
  button.hidden = best === null;
  button.value = best ?? "";
}

// ---- links that keep what was picked --------------------------------------------------

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-merge]");
  if (link) link.href = merged(link.href, location.search, location.href);
});

if (root) {
  wireAdvice(root);
  wireTable(root);
  drawCharts();
  tick();
  setInterval(tick, 1000);
  if ("livePage" in root.dataset) startLive(root.dataset.feed, show, { since: root.dataset.since });
}
