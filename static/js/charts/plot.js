// A plot of trials as points: Chart.js draws its frame, we draw the points, as density
// where there are many. Hover and brush are shared with the other charts.

import { brushPixels, describeBrush, drawBrush, edgeAt, wireBrushes, wireBrushKeys } from "./brushing.js";
import { trialAt } from "./data/columns.js";
import { Chart, applyDefaults, axis as chartAxis, onThemeChange, palette } from "./defaults.js";
import { pick } from "./drawn_words.js";
import { inSight } from "./in_sight.js";
import { PlotPoints } from "./plot_drawing.js";
import { nearestPoint } from "./plot_points.js";
import { createTooltip } from "./tooltip.js";

// Our axis as a Chart.js scale; the stop for values that are not set has its own tick.
function scaleOf(axis, { title, colors, horizontal, sparse }) {
  const ticks = (pixels) => {
    // Numbers of a value beside one another need more room than above one another.
    const room = horizontal && axis.kind === "value" ? 0.45 : sparse ? 0.7 : 1;
    const own = axis.ticks(pixels * room);
    // The low end is beside the stop.
    return axis.unsetAt === null ? own : [null, ...own.slice(axis.kind === "choice" ? 0 : 1)];
  };
  const forward = (cell) => (cell === null ? axis.unsetAt : axis.forward(cell));
  const text = (cell) => (cell === null ? "not set" : axis.text(cell));
  return chartAxis({ ticks, forward, text }, { title, colors, horizontal, min: axis.low, max: axis.high });
}

// Room beyond the ends; on the value's axis below for trials without one.
function withRoom(axis) {
  const span = axis.max - axis.min || 1;
  const [below, above] = axis.kind === "value" ? [0.12, 0.08] : [0.03, 0.03];
  return { ...axis, low: axis.min - span * below, high: axis.max + span * above, floor: axis.min - span * 0.07 };
}

const isNamed = ({ kind }) => kind !== "value" && kind !== "share";

class Plot {
  constructor(canvas, parts) {
    Object.assign(this, { canvas, parts, linked: parts.linked, brushes: parts.brushes ?? "x" });
    this.tip = createTooltip(canvas);
    this.measure();
    this.sliders = this.makeSliders();
    const plugin = {
      id: "points",
      beforeDatasetsDraw: (chart) => this.drawBelow(chart),
      afterDatasetsDraw: (chart) => this.drawAbove(chart),
    };
    this.chart = new Chart(canvas, { type: "scatter", data: { datasets: [] }, options: this.options(), plugins: [plugin] });
    this.brushing = wireBrushes(canvas, this.linked, (x, y) => this.targetsAt(x, y), { onClick: (x, y) => this.click(x, y) });
    canvas.addEventListener("pointermove", (event) => this.hover(event));
    canvas.addEventListener("pointerleave", () => this.leave());
    const sight = inSight(canvas, (kinds) => this.refresh(kinds));
    this.ends = [onThemeChange(() => this.redraw()), this.linked.subscribe(sight.run), sight.end];
  }

  measure() {
    applyDefaults();
    this.colors = palette();
    const { x, y } = this.parts.axes(this.linked.columns);
    this.axes = { x: withRoom(x), y: withRoom(y) };
    this.points = new PlotPoints(this.linked, this.axes, this.parts);
  }

  options() {
    const { titles = {}, sparse = false } = this.parts;
    const { colors } = this;
    const { x, y } = this.axes;
    return {
      layout: { padding: { right: 10, top: this.parts.top ?? 6 } },
      events: [],
      // A delayed resize could come after destroy().
      resizeDelay: 0,
      scales: {
        x: scaleOf(x, { title: titles.x ?? x.title, colors, horizontal: true, sparse }),
        y: scaleOf(y, { title: titles.y ?? (isNamed(y) ? y.title : ""), colors, horizontal: false, sparse }),
      },
    };
  }

  // ---- drawing ----------------------------------------------------------------------

  // What drawings below and above the points get.
  plotOf(chart) {
    const { colors, axes, linked } = this;
    return {
      area: chart.chartArea,
      pixelX: (position) => chart.scales.x.getPixelForValue(position),
      pixelY: (position) => chart.scales.y.getPixelForValue(position),
      colors,
      axes,
      linked,
    };
  }

  drawBelow(chart) {
    const { ctx } = chart;
    this.points.place(chart.chartArea);
    ctx.save();
    this.parts.below?.(ctx, this.plotOf(chart));
    this.points.showGround(ctx, chart, this.colors);
    ctx.restore();
  }

  drawAbove(chart) {
    const { ctx } = chart;
    ctx.save();
    this.parts.above?.(ctx, this.plotOf(chart));
    this.points.drawMarks(ctx, this.colors);
    this.drawBrushes(chart);
    this.points.drawHovered(ctx, this.colors);
    ctx.restore();
    this.placeSliders(chart);
  }

  drawBrushes(chart) {
    const { left, right, top, bottom } = chart.chartArea;
    const box = { x: left, y: top, width: right - left, height: bottom - top };
    const brushed = this.targets(chart).flatMap((target) => {
      const ends = brushPixels(this.linked, target);
      return ends ? [{ isAcross: target.isAcross, from: Math.min(...ends), to: Math.max(...ends) }] : [];
    });
    if (brushed.length === 0) return;
    for (const { isAcross, from, to } of brushed) {
      if (isAcross) Object.assign(box, { x: from, width: to - from });
      else Object.assign(box, { y: from, height: to - from });
    }
    drawBrush(chart.ctx, box, this.colors, { isAcross: brushed.some(({ isAcross }) => isAcross) });
  }

  // ---- the keyboard's handles: a strip over each axis that can be brushed -------------

  makeSliders() {
    return ["x", "y"].filter((name) => this.brushes.includes(name)).map((name) => {
      const element = document.createElement("span");
      element.className = `plot-slider plot-slider-${name}`;
      this.canvas.parentElement.append(element);
      wireBrushKeys(element, this.linked, () => this.axes[name]);
      return { name, element };
    });
  }

  placeSliders({ chartArea: { left, right, top, bottom } }) {
    const { label } = this.parts;
    for (const { name, element } of this.sliders) {
      const box = name === "x" ? [left, bottom + 1, right - left, 24] : [0, top, left - 2, bottom - top];
      const [x, y, width, height] = box.map((pixel) => `${Math.round(pixel)}px`);
      Object.assign(element.style, { left: x, top: y, width, height });
      element.setAttribute("aria-label", `${label}: ${this.axes[name].title}`);
      describeBrush(element, this.linked, this.axes[name]);
    }
  }

  // ---- pointer ------------------------------------------------------------------------

  targets(chart = this.chart) {
    return ["x", "y"].filter((name) => this.brushes.includes(name)).map((name) => {
      const axis = this.axes[name];
      const scale = chart.scales[name];
      return {
        axis,
        isAcross: name === "x",
        pixelOf: (position) => scale.getPixelForValue(position),
        positionAt: (pixel) => Math.min(axis.max, Math.max(axis.min, scale.getValueForPixel(pixel))),
      };
    });
  }

  targetsAt(x, y) {
    const { left, right, top, bottom } = this.chart.chartArea;
    const inside = x >= left - 6 && x <= right + 6 && y >= top - 4 && y <= bottom + 22;
    return inside ? this.targets() : [];
  }

  rowAt(x, y) {
    const { rows, pixels: { xs, ys } } = this.points;
    const { lines } = pick(rows, this.linked.mask);
    const near = nearestPoint(lines, xs, ys, x, y);
    return near >= 0 ? near : nearestPoint(rows, xs, ys, x, y, 6);
  }

  click(x, y) {
    const row = this.rowAt(x, y);
    if (row >= 0) this.parts.openTrial?.(this.linked.columns.id[row]);
  }

  hover({ offsetX: x, offsetY: y }) {
    const { columns } = this.linked;
    const targets = this.targetsAt(x, y);
    const edge = targets.find((target) => edgeAt(brushPixels(this.linked, target), target.isAcross ? x : y) >= 0);
    this.canvas.style.cursor = edge ? (edge.isAcross ? "ew-resize" : "ns-resize") : targets.length > 0 ? "crosshair" : "";
    const row = this.brushing.isDragging() ? -1 : this.rowAt(x, y);
    this.linked.hover(row < 0 ? null : columns.number[row]);
    if (row < 0) {
      this.tip.hide();
      return;
    }
    const { xs, ys } = this.points.pixels;
    const best = columns.best < 0 ? null : trialAt(columns, columns.best);
    this.tip.show({ trial: trialAt(columns, row), best }, { x: xs[row], y: ys[row] });
  }

  leave() {
    this.linked.hover(null);
    this.tip.hide();
  }

  // ---- life ---------------------------------------------------------------------------

  redraw() {
    this.measure();
    this.chart.options = this.options();
    this.chart.update("none");
  }

  refresh(kinds) {
    if (kinds.has("columns")) this.redraw();
    else this.chart.draw();
  }

  destroy() {
    for (const end of this.ends) end();
    for (const { element } of this.sliders) element.remove();
    this.tip.remove();
    this.chart.destroy();
  }
}

// parts: linked; label; axes(columns): {x, y}, each an axis of data/axes.js; brushes: "x",
// "xy" or ""; quiet: only selected trials are drawn; faint: the others as rings; sparse:
// few ticks; top: room above; titles: {x, y}, else those of the axes; below(ctx, plot) and
// above(ctx, plot) draw more, where plot has {area, colors, axes, linked,
// pixelX(position), pixelY(position)}; openTrial(id). Returns {chart, redraw(), destroy()}.
export function drawPlot(canvas, parts) {
  const plot = new Plot(canvas, parts);
  return { chart: plot.chart, redraw: () => plot.redraw(), destroy: () => plot.destroy() };
}
