// A run's page: its charts, and parts that stay fresh while it runs.

import { releaseCharts, showModels } from "../charts/live_models.js";
import { mountCharts } from "../charts/mount.js";
import { wireLazyCards } from "../lazy.js";
import { showParts } from "../parts.js";
import { startLive } from "../poll.js";
import { wireOutputs } from "./outputs.js";

const page = document.querySelector("[data-run]");

function show({ parts, charts }) {
  showParts(parts, { root: page, release: releaseCharts });
  if (charts) showModels(charts);
}

mountCharts();
wireLazyCards();
wireOutputs(document.getElementById("outputs"));
if ("livePage" in page.dataset) startLive(() => page.dataset.feed + location.search, show, { since: page.dataset.since });
