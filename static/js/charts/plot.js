// A plot of trials as points: Chart.js draws its frame, we draw the points, as density
// where there are many. Hover and brush are shared with the other charts.

import { brushPixels, describeBrush, drawBrush, edgeAt, wireBrushes, wireBrushKeys } from "./brushing.js";
import { createLayer } from "./canvas_chart.js";
import { trialAt } from "./data/columns.js";
import { Chart, applyDefaults, axis as chartAxis, onThemeChange, palette } from "./defaults.js";
import { picture, pointCounts } from "./density.js";
import { pick } from "./drawn_words.js";
import { dot, ring, stateMark } from "./marks.js";
import { nearestPoint, pointsOf, rowsOf } from "./plot_points.js";
import { createTooltip } from "./tooltip.js";

const CELL = 3;

// Our axis as a Chart.js scale; the stop of what is not set is a tick of its own.
function scaleOf(axis, { title, colors, horizontal, sparse }) {
  const ticks = (pixels) => {
    const own = axis.ticks(sparse ? pixels * 0.7 : pixels);
    return axis.unsetAt === null ? own : [null, ...own];
  };
  const forward = (cell) => (cell === null ? axis.unsetAt : axis.forward(cell));
  const text = (cell) => (cell === null ? "not set" : axis.text(cell));
  return chartAxis({ ticks, forward, text }, { title, colors, horizontal, min: axis.low, max: axis.high });
}

// Room beyond the ends; on the value's axis below for trials without one.
function withRoom(axis) {
  const span = axis.max - axis.min || 1;
  const below = axis.kind === "value" ? 0.12 : 0.03;
  return {
    ...axis,
    low: axis.min - span * below,
    high: axis.max + span * (axis.kind === "value" ? 0.08 : 0.03),
    floor: axis.min - span * 0.07,
  };
}

// parts: linked; axes(columns): {x, y}, each an axis of data/axes.js; brushes: "x", "xy" or
// ""; quiet: only selected trials are drawn; below(ctx, plot) and above(ctx, plot) draw more, where plot has {area, colors,
// pixelX(position), pixelY(position), axes}; titles: {x, y}, else those of the axes.
// Returns {chart, redraw(), destroy()}.
export function drawPlot(canvas, parts) {
  const { linked, axes, brushes = "x", below, above, openTrial = () => {}, sparse = false, quiet = false, label } = parts;
  const tip = createTooltip(canvas);
  const ground = createLayer();
  const state = { groundKey: "" };
  let colors = palette();

  function measure() {
    applyDefaults();
    colors = palette();
    const { x, y } = axes(linked.columns);
    state.axes = { x: withRoom(x), y: withRoom(y) };
    state.points = pointsOf(linked.columns, state.axes);
    state.rows = rowsOf(linked.columns, state.points, { floor: y.kind === "value" });
    state.pixels = null;
    state.groundKey = "";
  }

  function options() {
    const { x, y } = state.axes;
    const { titles = {} } = parts;
    return {
      layout: { padding: { right: 10, top: 6 } },
      events: [],
      scales: {
        x: scaleOf(x, { title: titles.x ?? x.title, colors, horizontal: true, sparse }),
        y: scaleOf(y, { title: titles.y ?? (y.kind === "value" || y.kind === "share" ? "" : y.title), colors, horizontal: false, sparse }),
      },
    };
  }

  const pixelX = (position) => chart.scales.x.getPixelForValue(position);
  const pixelY = (position) => chart.scales.y.getPixelForValue(position);
  const plotNow = () => ({ area: chart.chartArea, colors, pixelX, pixelY, axes: state.axes, linked });

  function pixels() {
    const { left, right, top, bottom } = chart.chartArea;
    const key = `${left} ${right} ${top} ${bottom}`;
    if (state.pixels?.key === key) return state.pixels;
    const { x, y } = state.axes;
    const { xs, ys } = state.points;
    state.pixels = {
      key,
      xs: xs.map((position) => left + ((right - left) * (position - x.low)) / (x.high - x.low)),
      ys: ys.map((position) => bottom - ((bottom - top) * (position - y.low)) / (y.high - y.low)),
    };
    return state.pixels;
  }

  function density(ctx, rows, color, strength) {
    const { left, right, top, bottom } = chart.chartArea;
    const { xs, ys } = pixels();
    const size = { columns: Math.ceil((right - left) / CELL), rows: Math.ceil((bottom - top) / CELL) };
    const inCells = (places, from) => places.map((place) => (place - from) / CELL);
    const counts = pointCounts(rows, inCells(xs, left), inCells(ys, top), { ...size, weights: linked.columns.weight });
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(picture(counts, { ...size, color, strength }), left, top, size.columns * CELL, size.rows * CELL);
  }

  function drawGround(ctx) {
    if (quiet) return;
    const isSelected = linked.mask !== null;
    const { isDense } = pick(state.rows, null);
    if (isDense) {
      density(ctx, state.rows, isSelected ? colors.line2 : colors.ink2, isSelected ? 0.9 : 0.7);
      return;
    }
    if (!isSelected) return;
    const { xs, ys } = pixels();
    ctx.globalAlpha = 0.55;
    for (const row of state.rows) ring(ctx, xs[row], ys[row], 2.6, colors.line2, colors.surface);
    ctx.globalAlpha = 1;
  }

  function showGround(ctx) {
    const { width, height } = chart;
    const key = `${width} ${height} ${pixels().key} ${linked.mask !== null}`;
    if (state.groundKey !== key) {
      ground.draw({ width, height }, drawGround);
      state.groundKey = key;
    }
    ground.show(ctx, { width, height });
  }

  function drawMarks(ctx) {
    const { columns, mask } = linked;
    const { selected, isSelectionDense, lines } = pick(state.rows, mask);
    const { xs, ys } = pixels();
    if (selected && isSelectionDense && !quiet) density(ctx, selected, colors.accent, 0.75);
    const drawn = quiet && !selected ? [] : lines;
    for (let k = drawn.length - 1; k >= 0; k -= 1) {
      const row = drawn[k];
      if (row !== columns.best) stateMark(ctx, columns.states[row], xs[row], ys[row], colors);
    }
    const { best } = columns;
    if (best >= 0 && Number.isFinite(xs[best])) stateMark(ctx, "best", xs[best], ys[best], colors);
  }

  function drawHovered(ctx) {
    const row = linked.hovered === null ? undefined : linked.columns.rowOf.get(linked.hovered);
    if (row === undefined) return;
    const { xs, ys } = pixels();
    if (!Number.isFinite(xs[row]) || !Number.isFinite(ys[row])) return;
    const color = row === linked.columns.best ? colors.fill.best : colors.fill[linked.columns.states[row]];
    dot(ctx, xs[row], ys[row], 4, color, colors.surface);
    ctx.beginPath();
    ctx.arc(xs[row], ys[row], 8, 0, Math.PI * 2);
    ctx.lineWidth = 2;
    ctx.strokeStyle = colors.ink;
    ctx.stroke();
  }

  function targets() {
    const { x, y } = state.axes;
    const found = [];
    if (brushes.includes("x")) {
      found.push({ axis: x, isAcross: true, pixelOf: pixelX, positionAt: (at) => clip(x, chart.scales.x.getValueForPixel(at)) });
    }
    if (brushes.includes("y")) {
      found.push({ axis: y, isAcross: false, pixelOf: pixelY, positionAt: (at) => clip(y, chart.scales.y.getValueForPixel(at)) });
    }
    return found;
  }

  const clip = (axis, position) => Math.min(axis.max, Math.max(axis.min, position));

  function showBrushes(ctx) {
    const { left, right, top, bottom } = chart.chartArea;
    const box = { x: left, y: top, width: right - left, height: bottom - top };
    let isBrushed = false;
    let isAcross = false;
    for (const target of targets()) {
      const ends = brushPixels(linked, target);
      if (!ends) continue;
      isBrushed = true;
      const [from, to] = [Math.min(...ends), Math.max(...ends)];
      if (target.isAcross) Object.assign(box, { x: from, width: to - from });
      else Object.assign(box, { y: from, height: to - from });
      isAcross ||= target.isAcross;
    }
    if (isBrushed) drawBrush(ctx, box, colors, { isAcross });
  }

  const plugin = {
    id: "points",
    beforeDatasetsDraw({ ctx }) {
      ctx.save();
      below?.(ctx, plotNow());
      showGround(ctx);
      ctx.restore();
    },
    afterDatasetsDraw({ ctx }) {
      ctx.save();
      above?.(ctx, plotNow());
      drawMarks(ctx);
      showBrushes(ctx);
      drawHovered(ctx);
      ctx.restore();
      placeSliders();
    },
  };

  measure();
  const sliders = makeSliders();
  const chart = new Chart(canvas, { type: "scatter", data: { datasets: [] }, options: options(), plugins: [plugin] });

  // The keyboard's handles: a strip over each axis that can be brushed.
  function makeSliders() {
    return ["x", "y"].filter((name) => brushes.includes(name)).map((name) => {
      const element = document.createElement("span");
      element.className = `plot-slider plot-slider-${name}`;
      canvas.parentElement.append(element);
      wireBrushKeys(element, linked, () => state.axes[name]);
      return { name, element };
    });
  }

  function placeSliders() {
    const { left, right, top, bottom } = chart.chartArea;
    for (const { name, element } of sliders) {
      const box = name === "x" ? [left, bottom + 1, right - left, 24] : [0, top, left - 2, bottom - top];
      const [x, y, width, height] = box.map((pixel) => `${Math.round(pixel)}px`);
      Object.assign(element.style, { left: x, top: y, width, height });
      element.setAttribute("aria-label", `${label ? `${label}: ` : ""}${state.axes[name].title}`);
      describeBrush(element, linked, state.axes[name]);
    }
  }

  function redraw() {
    measure();
    chart.options = options();
    chart.update("none");
  }

  function refresh(kinds) {
    if (kinds.has("columns")) redraw();
    else chart.draw();
  }

  const inside = (x, y) => {
    const { left, right, top, bottom } = chart.chartArea;
    return x >= left - 6 && x <= right + 6 && y >= top - 4 && y <= bottom + 22;
  };
  const targetsAt = (x, y) => (inside(x, y) ? targets() : []);

  function rowAt(x, y) {
    const { xs, ys } = pixels();
    const { lines } = pick(state.rows, linked.mask);
    const near = nearestPoint(lines, xs, ys, x, y);
    return near >= 0 ? near : nearestPoint(state.rows, xs, ys, x, y, 6);
  }

  const brush = wireBrushes(canvas, linked, targetsAt, {
    onClick(x, y) {
      const row = rowAt(x, y);
      if (row >= 0) openTrial(linked.columns.id[row]);
    },
  });

  function hover({ offsetX: x, offsetY: y }) {
    const onEdge = targetsAt(x, y).some((target) => edgeAt(brushPixels(linked, target), target.isAcross ? x : y) >= 0);
    canvas.style.cursor = onEdge ? "ew-resize" : inside(x, y) && brushes ? "crosshair" : "";
    const row = brush.isDragging() ? -1 : rowAt(x, y);
    linked.hover(row < 0 ? null : linked.columns.number[row]);
    if (row < 0) {
      tip.hide();
      return;
    }
    const { columns } = linked;
    const best = columns.best < 0 ? null : trialAt(columns, columns.best);
    tip.show({ trial: trialAt(columns, row), best }, { x: pixels().xs[row], y: pixels().ys[row] });
  }

  function leave() {
    linked.hover(null);
    tip.hide();
  }

  canvas.addEventListener("pointermove", hover);
  canvas.addEventListener("pointerleave", leave);
  const forget = onThemeChange(redraw);
  const end = linked.subscribe(refresh);
  return {
    chart,
    redraw,
    destroy() {
      end();
      forget();
      tip.remove();
      for (const { element } of sliders) element.remove();
      chart.destroy();
    },
  };
}
