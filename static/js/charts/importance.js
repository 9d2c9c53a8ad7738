// Parameter importance: how much each parameter separates the best quarter from the rest,
// and where that quarter is. The strips brush as all other axes do.

import { parameter, share } from "../format.js";
import { brushPixels, drawBrush, edgeAt, wireBrushes } from "./brushing.js";
import { canvasChart } from "./canvas_chart.js";
import { parameterAxis } from "./data/axes.js";
import { palette, withAlpha } from "./defaults.js";
import { inSight } from "./in_sight.js";
import { star } from "./marks.js";
import { element } from "./tooltip.js";

const BAR = 84;
const EDGE = 8;

function strip(canvas, { linked, row, axisNow }) {
  const pixelOf = (position) => {
    const axis = axisNow();
    const width = canvas.clientWidth - 2 * EDGE;
    return EDGE + (width * (position - axis.start)) / (axis.max - axis.start || 1);
  };
  const positionAt = (pixel) => {
    const axis = axisNow();
    const at = axis.start + ((axis.max - axis.start) * (pixel - EDGE)) / (canvas.clientWidth - 2 * EDGE);
    return Math.min(axis.max, Math.max(axis.start, at));
  };
  const target = () => ({ axis: axisNow(), pixelOf, positionAt, isAcross: true });
  const chart = canvasChart(canvas, (ctx, { width, height }) => {
    const colors = palette();
    const middle = height / 2;
    const axis = axisNow();
    ctx.strokeStyle = colors.line2;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    ctx.moveTo(EDGE, middle);
    ctx.lineTo(width - EDGE, middle);
    ctx.stroke();
    ctx.fillStyle = withAlpha(colors.ink2, 0.55);
    for (const value of row.dots ?? []) {
      ctx.beginPath();
      ctx.arc(pixelOf(axis.forward(value)), middle, 3, 0, Math.PI * 2);
      ctx.fill();
    }
    if (row.best !== null && row.best !== undefined) {
      star(ctx, pixelOf(axis.forward(row.best)), middle, 7, colors.fill.best, colors.surface);
    }
    const ends = brushPixels(linked, target());
    if (ends) drawBrush(ctx, { x: ends[0], y: middle - 10, width: ends[1] - ends[0], height: 20 }, colors, { isAcross: true });
  });
  wireBrushes(canvas, linked, () => [target()]);
  canvas.addEventListener("pointermove", (event) => {
    canvas.style.cursor = edgeAt(brushPixels(linked, target()), event.offsetX) >= 0 ? "ew-resize" : "crosshair";
  });
  return chart;
}

// Choices as buttons, the darker the more of the best quarter they hold.
function boxes(linked, row, axisNow) {
  const place = element("div", "boxes");
  const most = Math.max(...row.best_counts, 1);
  row.values.forEach((value, k) => {
    const button = element("button", `box box-${Math.round((3 * row.best_counts[k]) / most)}`, parameter(value));
    button.type = "button";
    button.title = `${row.best_counts[k]} of the best quarter, ${row.counts[k]} in all`;
    if (k === row.best) button.classList.add("is-best");
    button.addEventListener("click", () => toggle(linked, axisNow(), value));
    place.append(button);
  });
  return place;
}

function toggle(linked, axis, value) {
  const picked = new Set(linked.conditionOn(axis.field)?.values ?? []);
  if (picked.has(value)) picked.delete(value);
  else picked.add(value);
  const values = axis.values.filter((each) => picked.has(each));
  linked.brush(axis.field, values.length === 0 ? null : { field: axis.field, values });
}

function rowOf(linked, row) {
  const axisNow = () => parameterAxis(linked.columns.axes.find(({ name }) => name === row.name));
  const bar = element("i", "");
  bar.style.width = `${Math.max(2, Math.round(BAR * row.share))}px`;
  const words = element("span", "importance-bar", bar, share(row.share));
  if (!row.told_apart) {
    words.classList.add("is-chance");
    words.title = "Not told apart from chance";
  }
  const node = element("div", "importance-row", element("span", "importance-name", row.name), words);
  if (row.kind === "choice") {
    const place = boxes(linked, row, axisNow);
    node.append(place);
    return { node, redraw: () => press(place, linked, row) };
  }
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Where the best quarter is on ${row.name}`);
  node.append(element("div", "importance-strip", canvas));
  return { node, canvas, row, axisNow };
}

function press(place, linked, row) {
  const picked = new Set(linked.conditionOn(row.name)?.values ?? []);
  row.values.forEach((value, k) => place.children[k].setAttribute("aria-pressed", String(picked.has(value))));
}

// place: an element; answer: of the feed, with `ready`.
export function drawImportance(place, { linked, answer }) {
  const known = new Set(linked.columns.axes.map(({ name }) => name));
  const head = element(
    "div",
    "importance-row importance-head",
    element("span", "label", "parameter"),
    element("span", "label", "importance"),
    element("span", "label", `where the best quarter (${answer.best} trials) is`),
  );
  const rows = answer.rows.filter(({ name }) => known.has(name)).map((row) => rowOf(linked, row));
  place.replaceChildren(head, ...rows.map(({ node }) => node));
  const charts = rows.map((each) => {
    const { canvas, row, axisNow } = each;
    return canvas ? strip(canvas, { linked, row, axisNow }) : each;
  });
  const pairs = (answer.pairs ?? []).filter(({ told_apart: isTold }) => isTold).slice(0, 3);
  if (pairs.length > 0) {
    const words = pairs.map(({ x, y, share: part }) => `${x} and ${y} ${share(part)}`).join(", ");
    place.append(element("p", "label importance-pairs", `Beyond what each does alone: ${words}.`));
  } else if (answer.pairs_note) place.append(element("p", "label importance-pairs", answer.pairs_note));
  const redraw = () => {
    for (const chart of charts) chart.redraw();
  };
  redraw();
  const sight = inSight(place, (kinds) => {
    if (kinds.has("selection")) redraw();
  });
  const end = linked.subscribe(sight.run);
  return {
    redraw,
    destroy() {
      end();
      sight.end();
      for (const chart of charts) chart.destroy?.();
    },
  };
}

export function importanceTable({ rows = [] }) {
  return {
    caption: "Importance of each parameter",
    columns: ["parameter", "importance", "told apart from chance", "best quarter"],
    rows: rows.map((row) => [
      row.name,
      share(row.share),
      row.told_apart ? "yes" : "no",
      row.kind === "choice"
        ? row.values.map((value, k) => `${parameter(value)}: ${row.best_counts[k]}`).join(", ")
        : `${parameter(row.from)} to ${parameter(row.to)}`,
    ]),
  };
}
