// An experiment's page: its chart, kept fresh while one of its sweeps runs.

import { releaseCharts, showModels } from "../charts/live_models.js";
import { mountCharts } from "../charts/mount.js";
import { showParts } from "../parts.js";
import { startLive } from "../poll.js";

const page = document.querySelector("[data-experiment]");

// Ticked runs stay ticked when the table is sent again.
function show({ parts, charts }) {
  const ticked = [...page.querySelectorAll("[name=trials]:checked")].map((box) => box.value);
  showParts(parts, { root: page, release: releaseCharts });
  for (const box of page.querySelectorAll("[name=trials]")) box.checked = ticked.includes(box.value);
  if (charts) showModels(charts);
}

mountCharts();
if ("livePage" in page.dataset) startLive(page.dataset.feed, show, { since: page.dataset.since });
