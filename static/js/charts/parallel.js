// Parallel coordinates: which settings go with good values?
//
// Each trial is a line through its parameters and its value, the axes in the order of
// their importance. Over 300 trials: density, and lines for the best. Below 560 px the
// axes are horizontal, stacked from top to bottom.

import { metric, parameter } from "../format.js";
import { lookOf } from "../states.js";
import { axisTitles } from "./axis_titles.js";
import { edgeAt, brushPixels, wireBrushes } from "./brushing.js";
import { canvasChart, createLayer } from "./canvas_chart.js";
import { parameterAxis, valueAxis } from "./data/axes.js";
import { trialAt } from "./data/columns.js";
import { font, palette } from "./defaults.js";
import { pick } from "./drawn_words.js";
import {
  bestText,
  drawAxes,
  drawBest,
  drawBestPills,
  drawBrushes,
  drawDensity,
  drawRanked,
  drawTicks,
  pillWidth,
  strokeAll,
  strokeLine,
  ticksOf,
} from "./parallel_draw.js";
import { axisNear, axisOrder, layOut, movedTo, nearestLine } from "./parallel_geometry.js";
import { createTooltip } from "./tooltip.js";
import { rankColor } from "./viridis.js";

const NARROW = 560;
// Beside the outer upright axes: room for words, at least and at most.
const MARGIN = 46;
const WIDEST = 140;

// The drawing area in the directions of the axes; flat charts swap x and y.
function frameOf({ width, height }, left = MARGIN, right = MARGIN) {
  const flat = width < NARROW;
  return flat
    ? { flat, acrossFrom: 34, acrossTo: height - 26, alongLow: 40, alongHigh: width - 22 }
    : { flat, acrossFrom: left, acrossTo: width - right, alongLow: height - 14, alongHigh: 34 };
}

// The layout whose outer axes leave room for their ticks and for the best line's pill.
function fittedLayout(ctx, size, axes, columns) {
  const plain = frameOf(size);
  const layout = { frame: plain, axes: layOut(axes, columns.drawn, plain) };
  if (plain.flat) return layout;
  const pills = columns.best >= 0;
  const frame = frameOf(
    size,
    roomBeside(ctx, layout.axes[0], pills ? columns : null),
    roomBeside(ctx, layout.axes.at(-1), null),
  );
  return { frame, axes: layOut(axes, columns.drawn, frame) };
}

function roomBeside(ctx, axis, columns) {
  ctx.font = font(11.5);
  const ticks = ticksOf(axis).map(({ text }) => ctx.measureText(text).width + 13);
  const pill = columns ? pillWidth(ctx, bestText(columns, axis), false) + 9 : 0;
  return Math.min(WIDEST, Math.max(MARGIN, pill, ...ticks));
}

// What is selected in color on the ground of all others.
function drawGround(ctx, layout, columns, colors, { isSelected }) {
  const { drawn, weight } = columns;
  const color = isSelected ? colors.line2 : colors.ink2;
  if (pick(drawn, null).isDense) {
    drawDensity(ctx, layout, drawn, { color, strength: isSelected ? 0.75 : 0.55, weights: weight });
  } else if (isSelected) strokeAll(ctx, layout, drawn, { color, width: 1, alpha: 0.55 });
}

function drawLines(ctx, layout, columns, mask, colors) {
  const { selected, isSelectionDense, lines } = pick(columns.drawn, mask);
  if (selected && isSelectionDense) {
    drawDensity(ctx, layout, selected, { color: colors.accent, strength: 0.5, weights: columns.weight });
  }
  drawRanked(ctx, layout, columns, lines, colors);
}

// parts: linked; picked: {get(name), set(name, value)} keeps the order of axes; help: the
// id of an element that says what the keys do. Returns {setShares(Map of name to
// importance), axes(), setAxes(names), redraw(), destroy()}.
export function drawParallel(canvas, { linked, picked, help, openTrial = () => {} }) {
  const tip = createTooltip(canvas);
  const ground = createLayer();
  const scene = createLayer();
  let shares = null;
  let names = [];
  let layout = null;
  let colors = palette();
  const chart = canvasChart(canvas, (ctx, size) => {
    // A new size or theme: everything is laid out anew.
    measure(ctx, size);
    show(ctx, size);
    titles.show(layout, size.width);
  });
  const titles = axisTitles(canvas.parentElement, linked, { help, moveAxis, settle });

  function asked() {
    return picked.get("axes")?.split(",").map(decodeURIComponent) ?? null;
  }

  function measure(ctx, size) {
    const { columns } = linked;
    colors = palette();
    names = axisOrder(columns.axes, { asked: asked(), shares });
    const byName = new Map(columns.axes.map((axis) => [axis.name, axis]));
    const axes = [...names.map((name) => parameterAxis(byName.get(name))), valueAxis(columns)];
    layout = fittedLayout(ctx, size, axes, columns);
    paintGround(size);
    paintScene(size);
  }

  function paintGround(size) {
    const isSelected = linked.mask !== null;
    ground.isSelected = isSelected;
    ground.draw(size, (ctx) => drawGround(ctx, layout, linked.columns, colors, { isSelected }));
  }

  function paintScene(size) {
    const { columns, mask } = linked;
    if (ground.isSelected !== (mask !== null)) paintGround(size);
    scene.draw(size, (ctx) => {
      ctx.lineJoin = "round";
      drawAxes(ctx, layout, colors);
      ground.show(ctx, size);
      drawLines(ctx, layout, columns, mask, colors);
      for (const row of linked.ticked) strokeLine(ctx, layout, row, { color: colors.accent, width: 2 });
      if (columns.best >= 0) drawBest(ctx, layout, columns.best, colors);
      drawBrushes(ctx, layout, linked, colors);
      drawTicks(ctx, layout, columns, colors);
      if (columns.best >= 0) drawBestPills(ctx, layout, columns, colors);
    });
  }

  function show(ctx, size) {
    scene.show(ctx, size);
    const { columns, hovered } = linked;
    const row = hovered === null ? undefined : columns.rowOf.get(hovered);
    if (row !== undefined && row !== columns.best && Number.isFinite(columns.value[row])) {
      strokeLine(ctx, layout, row, { color: colors.surface, width: 5 });
      strokeLine(ctx, layout, row, { color: colors.fill[columns.states[row]], width: 2.5 });
    }
  }

  // Without measuring anew, unless the columns changed.
  function refresh(kinds) {
    const { size } = chart;
    if (!layout || kinds.has("columns")) {
      chart.redraw();
      return;
    }
    if (kinds.has("selection")) {
      paintScene(size);
      titles.describe();
    }
    const ctx = canvas.getContext("2d");
    ctx.clearRect(0, 0, size.width, size.height);
    show(ctx, size);
  }

  function moveAxis(name, places) {
    names = movedTo(names, name, names.indexOf(name) + places);
    picked.set("axes", names.map(encodeURIComponent).join(","), { step: false });
    chart.redraw();
  }

  function settle() {
    picked.set("axes", names.map(encodeURIComponent).join(","), { step: true });
  }

  const turned = (x, y) => (layout.frame.flat ? [y, x] : [x, y]);

  function targetsAt(x, y) {
    if (!layout) return [];
    const [across] = turned(x, y);
    const near = axisNear(layout.axes, across);
    return near < 0 ? [] : [{ ...layout.axes[near], isAcross: layout.frame.flat }];
  }

  function rowAt(x, y) {
    const { columns, mask } = linked;
    const { lines } = pick(columns.drawn, mask);
    const all = columns.best < 0 ? lines : [...lines, columns.best];
    const row = nearestLine(layout.axes, all, ...turned(x, y));
    return row >= 0 ? row : nearestLine(layout.axes, columns.drawn, ...turned(x, y), 3);
  }

  const brushes = wireBrushes(canvas, linked, targetsAt, {
    onClick(x, y) {
      const row = rowAt(x, y);
      if (row >= 0) openTrial(linked.columns.id[row]);
    },
  });

  function hover({ offsetX: x, offsetY: y }) {
    if (!layout) return;
    const [target] = targetsAt(x, y);
    const along = turned(x, y)[1];
    const onEdge = target && edgeAt(brushPixels(linked, target), along) >= 0;
    const resize = layout.frame.flat ? "ew-resize" : "ns-resize";
    canvas.style.cursor = onEdge ? resize : target ? "crosshair" : "";
    const row = brushes.isDragging() ? -1 : rowAt(x, y);
    linked.hover(row < 0 ? null : linked.columns.number[row]);
    if (row < 0) {
      tip.hide();
      return;
    }
    const { columns } = linked;
    const best = columns.best < 0 ? null : trialAt(columns, columns.best);
    tip.show({ trial: trialAt(columns, row), best }, { x, y });
  }

  function leave() {
    linked.hover(null);
    tip.hide();
  }

  canvas.addEventListener("pointermove", hover);
  canvas.addEventListener("pointerleave", leave);
  const end = linked.subscribe(refresh);
  return {
    setShares(next) {
      shares = next;
      chart.redraw();
    },
    axes: () => ({ shown: names.length > 0 ? names : axisOrder(linked.columns.axes, { asked: asked(), shares }), all: linked.columns.axes.map(({ name }) => name) }),
    setAxes(next) {
      picked.set("axes", next.map(encodeURIComponent).join(","), { step: true });
      chart.redraw();
    },
    redraw: chart.redraw,
    destroy() {
      end();
      chart.destroy();
      titles.remove();
      tip.remove();
    },
  };
}

// The key of the colors: a small ramp between words, for the card's head.
export function drawRamp(slot, words) {
  const strip = document.createElement("canvas");
  strip.width = 56;
  strip.height = 8;
  const { dark } = palette();
  const ctx = strip.getContext("2d");
  for (let x = 0; x < 56; x += 1) {
    ctx.fillStyle = rankColor(x / 55, dark);
    ctx.fillRect(x, 0, 1, 8);
  }
  slot.replaceChildren(words, strip, "better →");
}

// The same as a table, the best first. Pure.
export function parallelTable(columns, mask, most = 100) {
  const rows = pick(columns.drawn, mask).selected ?? columns.drawn;
  const names = columns.axes.map(({ name }) => name);
  return {
    caption: `Parameters and ${columns.metric} of each trial, the best first`,
    total: rows.length,
    columns: ["trial", "state", ...names, columns.metric],
    rows: rows.slice(0, most).map((row) => {
      const trial = trialAt(columns, row);
      return [trial.number, lookOf(trial).word, ...names.map((name) => parameter(trial.params[name])), metric(trial.value)];
    }),
  };
}
