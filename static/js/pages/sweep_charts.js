// The linked charts of a sweep's overview: drawn from the model of the first paint, then
// from the columns of all trials.

import { columnsOfModel } from "../charts/data/columns.js";
import { openLinkedPage } from "../charts/linked_page.js";
import { wireSelectionBar } from "../charts/selection_bar.js";

// curves: the handle of the learning curves, or undefined. Returns {freshen()}.
export function openOverview(root, model, curves) {
  const opened = openLinkedPage(root, { base: root.dataset.base, columns: columnsOfModel(model) });

  async function start() {
    const page = await opened;
    wireSelectionBar(root.querySelector("[data-selection-bar]"), page.linked, root.dataset);
    curves?.set({ linked: page.linked });
    page.linked.subscribe((kinds) => {
      if (kinds.has("selection")) curves?.set({});
      else if (kinds.has("hover")) curves?.chart.draw();
    });
    await page.drawn;
    root.dataset.drawn = "yes";
    return page;
  }

  const started = start();
  const freshen = async () => (await started).freshen();
  freshen().catch((problem) => console.warn("The charts show the trials of the first paint.", problem));
  return { freshen };
}
