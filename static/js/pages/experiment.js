// An experiment's page: its chart, kept fresh while one of its sweeps runs, and the
// comparison of what is ticked.

import { releaseCharts, showModels } from "../charts/live_models.js";
import { mountCharts } from "../charts/mount.js";
import { showParts } from "../parts.js";
import { startLive } from "../poll.js";
import { wireFilterBox } from "../table/filter_box.js";
import { joined } from "../table/view_state.js";

const page = document.querySelector("[data-experiment]");
const boxes = () => [...page.querySelectorAll(".cell-tick input")];
let asked = 0;
const key = (box) => `${box.name} ${box.value}`;

// The address of the feed has the page's own query, which says what is ticked.
function feed() {
  return `${page.dataset.feed.split("?")[0]}${location.search}`;
}

// Ticked rows stay ticked when the table is sent again.
function show({ parts, charts }) {
  const ticked = new Set(boxes().filter((box) => box.checked).map(key));
  showParts(parts, { root: page, release: releaseCharts });
  for (const box of boxes()) box.checked = ticked.has(key(box));
  if (charts) showModels(charts);
}

async function compareTicked() {
  const url = new URL(location.href);
  const ticked = boxes().filter((box) => box.checked && box.name === "trials").map((box) => box.value);
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
// What is typed joins the conditions that are chips; the page opens with all of them.
function wireFilter(place) {
  const { complete, applied, problem } = place.dataset;
  const form = place.querySelector("form");
  const q = form.elements.q.value;
  const ask = async (query) => {
    const answer = await fetch(`${complete}?${new URLSearchParams(query)}`);
    return answer.ok ? answer.json() : null;
  };
  const box = wireFilterBox(form, {
    complete: ask,
    applied: () => applied,
    async apply(_, typed) {
      const answer = await ask({ q: typed, at: 0 });
      if (!answer) return { message: "The site did not answer. Try again.", start: 0, end: 0 };
      if (answer.error) return answer.error;
      const url = new URL(location.href);
      url.searchParams.delete("page");
      url.searchParams.set("q", applied === "" ? typed.trim() : joined(applied, answer.filter));
      url.hash = "entries";
      location.assign(url);
      return null;
    },
  });
  if (problem) {
    box.put(q);
    box.showError(JSON.parse(problem));
  }
}

const filter = page.querySelector("[data-entry-filter]");
if (filter) wireFilter(filter);
mountCharts();
if ("livePage" in page.dataset) startLive(feed, show, { since: page.dataset.since });
