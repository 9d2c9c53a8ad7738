// Points of trials on a plot: where they are, which are drawn one by one, which one is
// under the pointer. Pure.

import { isBanded, positionsOf } from "./data/axes.js";

// Moved aside inside a choice's band, by a hash of the number: the same at each drawing.
function jitter(number) {
  const mixed = Math.imul(number + 1, 2654435761) >>> 0;
  return (mixed / 4294967296 - 0.5) * 0.56;
}

// Positions, moved aside where many share a band.
function spreadPositions(columns, axis, salt) {
  const places = positionsOf(axis);
  if (!isBanded(axis)) return places;
  for (let row = 0; row < places.length; row += 1) {
    if (!Number.isNaN(axis.cells[row])) places[row] += jitter(columns.number[row] + salt);
  }
  return places;
}

// The positions of all rows on both axes. Trials without a value, and failed ones, are on
// the floor.
export function pointsOf(columns, { x, y }) {
  const xs = spreadPositions(columns, x, 0);
  const ys = spreadPositions(columns, y, 7);
  const onFloor = new Uint8Array(columns.size);
  if (y.kind === "value") {
    for (let row = 0; row < ys.length; row += 1) {
      if (Number.isFinite(ys[row]) && columns.states[row] !== "failed") continue;
      onFloor[row] = 1;
      ys[row] = y.floor ?? y.min;
    }
  }
  return { xs, ys, onFloor };
}

// The rows to draw, those with a value first, the best first of these.
export function rowsOf(columns, { xs, ys }, { floor = true } = {}) {
  const isThere = (row) => Number.isFinite(xs[row]) && Number.isFinite(ys[row]);
  const rows = columns.drawn.filter(isThere);
  if (!floor) return rows;
  const known = new Uint8Array(columns.size);
  for (const row of columns.drawn) known[row] = 1;
  for (let row = 0; row < columns.size; row += 1) {
    if (!known[row] && columns.states[row] === "failed" && isThere(row)) rows.push(row);
  }
  return rows;
}

// The row of the point nearest to a place, or -1 when none is within `reach` pixels.
export function nearestPoint(rows, xs, ys, x, y, reach = 12) {
  let found = -1;
  let least = reach * reach;
  for (const row of rows) {
    const away = (xs[row] - x) ** 2 + (ys[row] - y) ** 2;
    if (away < least) {
      least = away;
      found = row;
    }
  }
  return found;
}
