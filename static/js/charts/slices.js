// Slices: how does the value change along each parameter, all others mixed?

import { share } from "../format.js";
import { parameterAxis, valueAxis } from "./data/axes.js";
import { drawPlot } from "./plot.js";
import { element } from "./tooltip.js";

const MOST = 6;

// The parameters to show: asked for, else the most important, else the first. Pure.
export function shownNames(axes, { asked = [], shares = null, most = MOST } = {}) {
  const names = axes.map(({ name }) => name);
  const wanted = asked.filter((name) => names.includes(name));
  if (wanted.length > 0) return wanted;
  const strength = (name) => shares?.get(name) ?? 0;
  return names.sort((a, b) => strength(b) - strength(a)).slice(0, most);
}

// place: an element. On phones one slice is shown at a time, picked by the chips.
export function drawSlices(place, { linked, spreadNow, openTrial }) {
  const chips = element("div", "slice-chips");
  const grid = element("div", "slices");
  place.replaceChildren(chips, grid);
  let shown = [];
  let plots = [];
  let shares = null;
  let most = MOST;

  function show(name) {
    for (const slice of grid.children) slice.classList.toggle("is-shown", slice.dataset.name === name);
    for (const chip of chips.children) chip.setAttribute("aria-pressed", String(chip.dataset.name === name));
    plots[shown.indexOf(name)]?.redraw();
  }

  function chipOf(name) {
    const words = shares?.has(name) ? `${name} ${share(shares.get(name))}` : name;
    const chip = element("button", "chip", words);
    chip.type = "button";
    chip.dataset.name = name;
    chip.addEventListener("click", () => show(name));
    return chip;
  }

  function sliceOf(name) {
    const slice = element("div", "slice");
    slice.dataset.name = name;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${linked.columns.metric} of each trial over ${name}`);
    const axis = linked.columns.axes.find((each) => each.name === name);
    const head = element("h3", "slice-head", parameterAxis(axis).title);
    if (shares?.has(name)) head.append(element("span", "", share(shares.get(name))));
    slice.append(head, element("div", "chart-box", canvas));
    return { slice, canvas };
  }

  function draw() {
    for (const plot of plots) plot.destroy();
    shown = shownNames(linked.columns.axes, { shares, most });
    const slices = shown.map(sliceOf);
    grid.replaceChildren(...slices.map(({ slice }) => slice));
    chips.replaceChildren(...shown.map(chipOf));
    plots = slices.map(({ canvas }, k) => drawPlot(canvas, {
      linked,
      openTrial,
      axes: (columns) => ({
        x: parameterAxis(columns.axes.find((axis) => axis.name === shown[k]) ?? columns.axes[0]),
        y: valueAxis(columns, spreadNow()),
      }),
      titles: { x: "" },
      sparse: true,
      label: "Slice",
    }));
    if (shown.length > 0) show(shown[0]);
  }

  draw();
  return {
    setShares(next) {
      shares = next;
      draw();
    },
    setMost(next) {
      most = next;
      draw();
    },
    redraw() {
      for (const plot of plots) plot.redraw();
    },
    destroy() {
      for (const plot of plots) plot.destroy();
      place.replaceChildren();
    },
  };
}
