// Small curves in table rows: SVG, 96 × 24, one scale for all rows of a table.
//
// Markup: <svg class="spark state-completed" data-spark="[[1,0.4],[2,0.5]]" …></svg> inside
// an element with data-sparks. data-spark-kind on that element: "stretched", "linear" or
// "log"; without it the values decide. data-goal: "maximize" or "minimize".

import { domainOf, makeScale, preferredKind } from "./scales.js";

export const WIDTH = 96;
export const HEIGHT = 24;
const EDGE = 3;
const SVG = "http://www.w3.org/2000/svg";

// The scale that all rows share: {x: [low, high], scale}. Pure.
export function sharedScale(curves, { kind = null, goal = "maximize" } = {}) {
  const points = curves.flat();
  const xs = points.map((point) => point[0]);
  const values = points.map((point) => point[1]).filter(Number.isFinite);
  const low = xs.length > 0 ? Math.min(...xs) : 0;
  const high = xs.length > 0 ? Math.max(...xs, low + 1) : 1;
  return { x: [low, high], scale: makeScale(kind ?? preferredKind(values, goal), domainOf(values, { goal }), goal) };
}

function placer({ x: [low, high], scale }) {
  const ends = scale.domain.map(scale.forward);
  const [bottom, top] = [Math.min(...ends), Math.max(...ends)];
  return ([x, y]) => {
    const share = Math.max(0, Math.min(1, (scale.forward(y) - bottom) / (top - bottom || 1)));
    return [
      EDGE + ((WIDTH - 2 * EDGE) * (x - low)) / (high - low),
      HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * share,
    ];
  };
}

// The path of one curve and where it ends: {path, end: [x, y] | null}. Pure.
export function sparkPath(points, shared) {
  const place = placer(shared);
  const placed = points.filter((point) => Number.isFinite(point[1])).map(place);
  const path = placed.map(([x, y], k) => `${k === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`);
  return { path: path.join(""), end: placed.at(-1) ?? null };
}

function part(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
}

function drawOne(svg, points, shared) {
  const { path, end } = sparkPath(points, shared);
  const floor = { class: "spark-floor", d: `M${EDGE} ${HEIGHT - 0.5}H${WIDTH - EDGE}` };
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("width", WIDTH);
  svg.setAttribute("height", HEIGHT);
  svg.replaceChildren(part("path", floor), part("path", { class: "spark-line", d: path }));
  const marked = svg.matches(".state-running, .state-terminated, .state-failed");
  if (end && marked) svg.append(part("circle", { cx: end[0], cy: end[1], r: 2.2 }));
}

// Draws every [data-spark] below each [data-sparks] of root on one scale.
export function drawSparklines(root = document) {
  for (const table of root.querySelectorAll("[data-sparks]")) {
    const all = [...table.querySelectorAll("[data-spark]")];
    const curves = all.map((svg) => JSON.parse(svg.dataset.spark || "[]"));
    const { sparkKind: kind, goal } = table.dataset;
    const shared = sharedScale(curves, { kind: kind ?? null, goal: goal ?? "maximize" });
    all.forEach((svg, k) => drawOne(svg, curves[k], shared));
  }
}
