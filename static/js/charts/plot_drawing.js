// The points of a plot on its canvas: in grey all, kept as a picture; in color what is
// selected, the best and the hovered one.

import { createLayer } from "./canvas_chart.js";
import { picture, pointCounts } from "./density.js";
import { pick } from "./drawn_words.js";
import { dot, ring, stateMark } from "./marks.js";
import { pointsOf, rowsOf } from "./plot_points.js";

// Pixels of a cell of the density.
const CELL = 3;

export class PlotPoints {
  constructor(linked, axes, { quiet = false, faint = false }) {
    Object.assign(this, { linked, axes, quiet, faint, ground: createLayer(), groundKey: "" });
    this.points = pointsOf(linked.columns, axes);
    this.rows = rowsOf(linked.columns, this.points, { floor: axes.y.kind === "value" });
    this.pixels = { key: "", xs: new Float64Array(0), ys: new Float64Array(0) };
  }

  // Where the points are once the chart's area is known.
  place(area) {
    const { left, right, top, bottom } = area;
    const key = `${left} ${right} ${top} ${bottom}`;
    this.area = area;
    if (this.pixels.key === key) return;
    const { x, y } = this.axes;
    this.pixels = {
      key,
      xs: this.points.xs.map((position) => left + ((right - left) * (position - x.low)) / (x.high - x.low)),
      ys: this.points.ys.map((position) => bottom - ((bottom - top) * (position - y.low)) / (y.high - y.low)),
    };
  }

  drawDensity(ctx, rows, color, strength) {
    const { left, right, top, bottom } = this.area;
    const { xs, ys } = this.pixels;
    const size = { columns: Math.ceil((right - left) / CELL), rows: Math.ceil((bottom - top) / CELL) };
    const inCells = (places, from) => places.map((place) => (place - from) / CELL);
    const counts = pointCounts(rows, inCells(xs, left), inCells(ys, top), { ...size, weights: this.linked.columns.weight });
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(picture(counts, { ...size, color, strength }), left, top, size.columns * CELL, size.rows * CELL);
  }

  drawGround(ctx, colors) {
    const isSelected = this.linked.mask !== null;
    if (pick(this.rows, null).isDense) {
      this.drawDensity(ctx, this.rows, isSelected ? colors.line2 : colors.ink2, isSelected ? 0.9 : 0.7);
      return;
    }
    if (!isSelected && !this.faint) return;
    const { xs, ys } = this.pixels;
    ctx.globalAlpha = this.faint ? 0.8 : 0.55;
    const color = this.faint ? colors.ink3 : colors.line2;
    for (const row of this.rows) ring(ctx, xs[row], ys[row], 2.6, color, colors.surface);
  }

  showGround(ctx, { width, height }, colors) {
    if (this.quiet) return;
    const key = `${width} ${height} ${this.pixels.key} ${this.linked.mask !== null}`;
    if (this.groundKey !== key) {
      this.ground.draw({ width, height }, (layer) => this.drawGround(layer, colors));
      this.groundKey = key;
    }
    this.ground.show(ctx, { width, height });
  }

  drawMarks(ctx, colors) {
    const { columns, mask } = this.linked;
    const { selected, isSelectionDense, lines } = pick(this.rows, mask);
    const { xs, ys } = this.pixels;
    if (selected && isSelectionDense && !this.quiet) this.drawDensity(ctx, selected, colors.accent, 0.75);
    const drawn = (this.quiet || this.faint) && !selected ? [] : lines;
    for (let k = drawn.length - 1; k >= 0; k -= 1) {
      const row = drawn[k];
      if (row !== columns.best) stateMark(ctx, columns.states[row], xs[row], ys[row], colors);
    }
    for (const row of this.linked.ticked) {
      if (Number.isFinite(xs[row]) && Number.isFinite(ys[row])) ring(ctx, xs[row], ys[row], 4, colors.accent, colors.surface);
    }
    const { best } = columns;
    if (best >= 0 && Number.isFinite(xs[best])) stateMark(ctx, "best", xs[best], ys[best], colors);
  }

  drawHovered(ctx, colors) {
    const { columns, hovered } = this.linked;
    const row = hovered === null ? undefined : columns.rowOf.get(hovered);
    const { xs, ys } = this.pixels;
    if (row === undefined || !Number.isFinite(xs[row]) || !Number.isFinite(ys[row])) return;
    dot(ctx, xs[row], ys[row], 4, colors.fill[row === columns.best ? "best" : columns.states[row]], colors.surface);
    ctx.beginPath();
    ctx.arc(xs[row], ys[row], 8, 0, Math.PI * 2);
    ctx.lineWidth = 2;
    ctx.strokeStyle = colors.ink;
    ctx.stroke();
  }
}
