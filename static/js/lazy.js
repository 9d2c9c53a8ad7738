// Cards that are loaded once they are opened (templates/components/lazy_card.html).

import { releaseCharts } from "./charts/live_models.js";
import { mountCharts } from "./charts/mount.js";
import { wireTabs } from "./tabs.js";

const FRESH_MS = 20_000;

async function load(card) {
  const place = card.querySelector("[data-lazy-place]");
  let html;
  try {
    const answer = await fetch(card.dataset.lazy, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) throw new Error(`answered ${answer.status}`);
    html = await answer.text();
  } catch (problem) {
    // What is shown already stays.
    if (!card.dataset.loaded) place.querySelector("a")?.focus();
    console.warn(`${card.dataset.lazy}: ${problem}`);
    return;
  }
  releaseCharts(place);
  place.innerHTML = html;
  card.dataset.loaded = "yes";
  wireTabs(place);
  mountCharts(place);
}

function wire(card) {
  let timer = null;
  const follow = () => {
    clearInterval(timer);
    if (!card.open) return;
    load(card);
    if ("lazyFresh" in card.dataset) timer = setInterval(() => load(card), FRESH_MS);
  };
  card.addEventListener("toggle", follow);
  follow();
}

export function wireLazyCards(root = document) {
  for (const card of root.querySelectorAll("[data-lazy]")) wire(card);
}
