// An experiment's page: its chart, kept fresh while one of its sweeps runs, and the
// comparison of what is ticked.

import { releaseCharts, showModels } from "../charts/live_models.js";
import { mountCharts } from "../charts/mount.js";
import { startLive } from "../poll.js";
import { showEntries, ticks, wireEntryFilter } from "../table/entries.js";

const page = document.querySelector("[data-experiment]");
let asked = 0;

// The address of the feed has the page's own query, which says what is ticked.
function feed() {
  return `${page.dataset.feed.split("?")[0]}${location.search}`;
}

function show({ parts, charts }) {
  showEntries(parts, { root: page, release: releaseCharts });
  if (charts) showModels(charts);
}

async function compareTicked() {
  const url = new URL(location.href);
  const ticked = ticks(page).filter((box) => box.checked && box.name === "trials").map((box) => box.value);
  if (ticked.length > 0) url.searchParams.set("trials", ticked.join(","));
  else url.searchParams.delete("trials");
  history.replaceState(history.state, "", url);
  const mine = ++asked;
  const answer = await fetch(feed());
  const found = answer.ok ? await answer.json() : null;
  // Only the last of several quick ticks counts.
  if (found && mine === asked) show(found);
}

page.addEventListener("change", (event) => {
  if (event.target.matches(".cell-tick input")) compareTicked();
});
wireEntryFilter();
mountCharts();
if ("livePage" in page.dataset) startLive(feed, show, { since: page.dataset.since });
