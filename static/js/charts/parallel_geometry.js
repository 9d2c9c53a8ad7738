// The geometry of parallel coordinates, without a canvas. "Across" is the direction in
// which the axes follow one another, "along" the direction of each axis; upright charts
// go across from left to right, flat ones (phones) from top to bottom.

import { isBanded, positionsOf } from "./data/axes.js";
import { blend } from "./density.js";

const SPREAD = 3;

// The places of the axes, evenly from `from` to `to`.
export function positions(count, from, to) {
  if (count === 1) return [(from + to) / 2];
  return Array.from({ length: count }, (_, k) => from + ((to - from) * k) / (count - 1));
}

// Lines that meet in one place are drawn next to each other, better ones further along.
function fan(places, rows, center, room, direction) {
  const step = Math.min(SPREAD, room / Math.max(1, rows.length));
  const half = (step * (rows.length - 1)) / 2;
  // rows: the best first.
  rows.forEach((row, k) => { places[row] = center + direction * (half - k * step); });
}

function grouped(rows, cells) {
  const groups = new Map();
  for (const row of rows) {
    const key = Number.isNaN(cells[row]) ? "unset" : cells[row];
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  return groups;
}

// An axis along [low, high] (low may be the greater pixel): {axis, places: pixel of each
// row, pixelOf(position), positionAt(pixel), unsetAt, start, end, ticks: [{at, text}]}.
function layAxis(axis, drawn, low, high) {
  const span = axis.max - axis.min || 1;
  const pixelOf = (position) => low + ((high - low) * (position - axis.min)) / span;
  const positionAt = (pixel) => axis.min + (span * (pixel - low)) / (high - low);
  const places = positionsOf(axis).map(pixelOf);
  const direction = Math.sign(high - low);
  const unsetAt = axis.unsetAt === null ? null : pixelOf(axis.unsetAt);
  const hasBands = isBanded(axis);
  if (hasBands || unsetAt !== null) {
    const band = Math.abs(pixelOf(1) - pixelOf(0)) * 0.62;
    for (const [key, rows] of grouped(drawn, axis.cells)) {
      if (key === "unset") fan(places, rows, unsetAt ?? low, 9, direction);
      else if (hasBands) fan(places, rows, pixelOf(axis.forward(key)), band, direction);
    }
  }
  const ticks = axis.ticks(Math.abs(high - low)).map((cell) => ({
    at: pixelOf(axis.forward(cell)),
    text: axis.text(cell),
  }));
  return { axis, places, pixelOf, positionAt, unsetAt, start: pixelOf(axis.start), end: high, ticks };
}

// The laid axes with their place across.
export function layOut(axes, drawn, frame) {
  const across = positions(axes.length, frame.acrossFrom, frame.acrossTo);
  return axes.map((axis, k) => ({
    ...layAxis(axis, drawn, frame.alongLow, frame.alongHigh),
    across: across[k],
  }));
}

// Which of `rows` has the line nearest to a point, or -1 when none is within `reach` pixels.
export function nearestLine(axes, rows, across, along, reach = 10) {
  const gap = axes.findIndex((axis, k) => k + 1 < axes.length && across <= axes[k + 1].across);
  if (gap < 0 || across < axes[0].across) return -1;
  const [from, to] = [axes[gap], axes[gap + 1]];
  const way = blend((across - from.across) / (to.across - from.across));
  let found = -1;
  let least = reach;
  for (const row of rows) {
    const away = Math.abs(from.places[row] + (to.places[row] - from.places[row]) * way - along);
    if (away <= least) {
      least = away;
      found = row;
    }
  }
  return found;
}

// The axis whose line is within `reach` of a place across, or -1.
export function axisNear(axes, across, reach = 16) {
  const near = axes.map((axis) => Math.abs(axis.across - across));
  const least = Math.min(...near);
  return least <= reach ? near.indexOf(least) : -1;
}

// The order of names after one was moved to a place. Pure.
export function movedTo(names, name, place) {
  const rest = names.filter((other) => other !== name);
  const at = Math.max(0, Math.min(rest.length, place));
  return [...rest.slice(0, at), name, ...rest.slice(at)];
}

// Which axes are shown, in order: those asked for that exist, else the weakest first so
// that the strongest is beside the objective, a conditional one after its parent.
export function axisOrder(axes, { asked = null, shares = null, most = 12 } = {}) {
  const known = new Map(axes.map((axis) => [axis.name, axis]));
  const wanted = asked?.filter((name) => known.has(name)) ?? [];
  if (wanted.length > 0) return wanted;
  if (!shares) return axes.slice(0, most).map(({ name }) => name);
  const strength = (name) => shares.get(name) ?? -1;
  const kept = [...known.keys()].sort((a, b) => strength(b) - strength(a)).slice(0, most).reverse();
  const children = kept.filter((name) => kept.includes(known.get(name).parent));
  return children.reduce((names, name) => {
    const parent = names.indexOf(known.get(name).parent);
    return names.indexOf(name) > parent ? names : movedTo(names, name, parent);
  }, kept);
}
