// The Charts tab of a sweep.

import { openLinkedPage } from "../charts/linked_page.js";
import { wireSelectionBar } from "../charts/selection_bar.js";
import { readConditions, writeConditions } from "../charts/data/conditions.js";

const root = document.querySelector("[data-charts-page]");
const scale = root?.querySelector('[data-page-select="y"]');

// The state chips and the filter's field follow the selection.
function showFilter(linked) {
  const field = root.querySelector("#filter-q");
  // What is wrong stays in the field.
  if (!linked.error && document.activeElement !== field) field.value = linked.q;
  field.setAttribute("aria-invalid", String(linked.error !== null));
  for (const chip of root.querySelectorAll("[data-state-chips] a")) {
    const isPicked = linked.q === chip.dataset.expression;
    if (isPicked) chip.setAttribute("aria-current", "true");
    else chip.removeAttribute("aria-current");
  }
}

function wireFilter({ linked }) {
  const form = root.querySelector("[data-charts-filter]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const field = form.elements.q;
    linked.setQuery(field.value);
    field.value = writeConditions(readConditions(field.value));
  });
  root.querySelector("[data-state-chips]").addEventListener("click", (event) => {
    const chip = event.target.closest("a[data-expression]");
    if (!chip || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    linked.setQuery(chip.dataset.expression);
  });
  linked.subscribe((kinds) => {
    if (kinds.has("selection")) showFilter(linked);
  });
  showFilter(linked);
}

function wireScale(page) {
  scale.addEventListener("change", () => {
    page.picked.set("scale", scale.value);
    page.redraw();
  });
}

// Another metric is another page; what is selected stays.
root?.querySelector("[data-metric-select]")?.addEventListener("change", ({ target }) => {
  const url = new URL(location.href);
  if (target.value) url.searchParams.set("metric", target.value);
  else url.searchParams.delete("metric");
  location.assign(url);
});

function failed(problem) {
  console.error(problem);
  for (const wait of root.querySelectorAll("[data-wait]")) {
    wait.textContent = "The trials could not be read. Reload the page to try again.";
  }
}

async function start() {
  const kept = new URLSearchParams(location.search).get("scale");
  if ([...scale.options].some(({ value }) => value === kept)) scale.value = kept;
  const page = await openLinkedPage(root, { base: root.dataset.base, sweep: root.dataset.sweep, metric: root.dataset.metric, spreadNow: () => scale.value || null });
  wireSelectionBar(root.querySelector("[data-selection-bar]"), page.linked, root.dataset);
  wireFilter(page);
  wireScale(page);
  await page.drawn;
  if (!page.linked.columns.final) page.keepFresh();
  root.dataset.drawn = "yes";
}

if (root) start().catch(failed);
