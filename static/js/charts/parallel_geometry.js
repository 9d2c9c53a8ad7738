// The geometry of parallel coordinates, without a canvas. "Across" is the direction in
// which the axes follow one another, "along" the direction of each axis; upright charts
// go across from left to right, flat ones (phones) from top to bottom.

import { parameter } from "../format.js";
import { domainOf, logTicks, makeScale, preferredKind, roundTicks, tickText } from "../scales.js";
import { ranked } from "../states.js";

const UNSET = 24;
const SPREAD = 3;

// Values of choices may be lists or mappings, which are equal when they read the same.
function same(a, b) {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

function sorted(values) {
  const numbers = values.every((value) => typeof value === "number");
  return numbers ? [...values].sort((a, b) => a - b) : [...values];
}

// A parameter's axis: kind, values or domain, and whether some trials do not set it.
export function axisOf(parameter, trials) {
  const { name, kind, log = false, values = [] } = parameter;
  const unset = trials.some((trial) => trial.params[name] === undefined);
  const title = kind === "number" && log ? `${name} (log)` : name;
  if (kind === "choice") return { name, title, kind, values: sorted(values), unset };
  const seen = trials.map((trial) => trial.params[name]).filter(Number.isFinite);
  const [low, high] = domainOf(seen, { musts: seen });
  const domain = [parameter.low ?? low, parameter.high ?? high];
  return { name, title, kind, domain, log: log && domain[0] > 0, unset };
}

function objectiveAxis(objective, trials) {
  const values = trials.map((trial) => trial.value);
  const { metric: name, goal } = objective;
  const domain = domainOf(values, { goal });
  const title = goal === "minimize" ? `${name} (lower is better)` : name;
  return { name, title, kind: "objective", domain, goal, scale: preferredKind(values, goal), unset: false };
}

// The places of the axes, evenly from `from` to `to`.
export function positions(count, from, to) {
  if (count === 1) return [(from + to) / 2];
  return Array.from({ length: count }, (_, k) => from + ((to - from) * k) / (count - 1));
}

function numberPlace(axis, low, high) {
  const kind = axis.kind === "objective" ? axis.scale : axis.log ? "log" : "linear";
  const scale = makeScale(kind, axis.domain, axis.goal);
  const ends = axis.domain.map(scale.forward);
  const [from, to] = [Math.min(...ends), Math.max(...ends)];
  const place = (value) => {
    const share = (scale.forward(value) - from) / (to - from || 1);
    return low + (high - low) * Math.max(0, Math.min(1, share));
  };
  return { place, scale };
}

function bandPlace(axis, low, high) {
  const size = (high - low) / axis.values.length;
  return {
    size,
    place(value) {
      const index = axis.values.findIndex((other) => same(other, value));
      return low + size * (Math.max(0, index) + 0.5);
    },
  };
}

// Lines that meet in one place are drawn next to each other, better ones further along.
function fan(members, center, room, direction) {
  const step = Math.min(SPREAD, room / Math.max(1, members.length));
  const half = (step * (members.length - 1)) / 2;
  return members.map((number, k) => [number, center + direction * (k * step - half)]);
}

function groups(order, keyOf) {
  const found = new Map();
  for (const trial of order) {
    const value = keyOf(trial);
    const key = typeof value === "object" ? JSON.stringify(value) : value;
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(trial);
  }
  return found;
}

// Lays one axis along [low, high] (low may be the greater pixel). Returns {axis, unsetAt,
// places: Map of trial number to pixel, ticks: [{at, text}], place(value)}.
function layAxis(axis, order, low, high) {
  const direction = Math.sign(high - low);
  const start = axis.unset ? low + direction * UNSET : low;
  const unsetAt = axis.unset ? low : null;
  const worstFirst = [...order].reverse();
  const laid = { axis, unsetAt, places: new Map(), start, end: high };
  const own = (trial) => (axis.kind === "objective" ? trial.value : trial.params[axis.name]);

  if (axis.kind === "choice") {
    const band = bandPlace(axis, start, high);
    laid.place = band.place;
    laid.ticks = axis.values.map((value) => ({ at: band.place(value), text: parameter(value) }));
    for (const members of groups(worstFirst, own).values()) {
      const value = own(members[0]);
      if (value === undefined) continue;
      const numbers = members.map((trial) => trial.number);
      const pairs = fan(numbers, band.place(value), Math.abs(band.size) * 0.62, direction);
      for (const [number, at] of pairs) laid.places.set(number, at);
    }
  } else {
    const { place, scale } = numberPlace(axis, start, high);
    laid.place = place;
    laid.ticks = ticksOf(axis, scale, Math.abs(high - start)).map((value) => ({
      at: place(value),
      text: tickText(value),
    }));
    for (const trial of order) {
      const value = own(trial);
      if (Number.isFinite(value)) laid.places.set(trial.number, place(value));
    }
  }
  const missing = worstFirst.filter((trial) => own(trial) === undefined).map((trial) => trial.number);
  for (const [number, at] of fan(missing, low, 9, direction)) laid.places.set(number, at);
  return laid;
}

function ticksOf(axis, scale, length) {
  if (axis.kind === "objective") return scale.ticks(length);
  const [low, high] = axis.domain;
  if (axis.log) return logTicks(low, high, length / 40);
  const inner = roundTicks(low, high, Math.max(2, length / 70));
  const near = (a, b) => Math.abs(a - b) < (high - low) * 0.12;
  const kept = inner.filter((value) => !near(value, low) && !near(value, high));
  return [low, ...kept, high];
}

// Everything a drawing needs: the trials that have a value and did not fail, worst first, each with its rank's
// share (1 the best), and the laid axes with their place across.
export function layOut({ space, objective, trials }, frame) {
  const counting = trials.filter((trial) => trial.state !== "failed");
  const order = ranked(counting, objective.goal);
  const axes = [...space.map((parameter) => axisOf(parameter, order)), objectiveAxis(objective, order)];
  const across = positions(axes.length, frame.acrossFrom, frame.acrossTo);
  const laid = axes.map((axis, k) => ({
    ...layAxis(axis, order, frame.alongLow, frame.alongHigh),
    across: across[k],
  }));
  const lines = order.map((trial, k) => ({
    trial,
    share: order.length > 1 ? 1 - k / (order.length - 1) : 1,
    places: laid.map((axis) => axis.places.get(trial.number)),
  }));
  return { axes: laid, lines: lines.reverse() };
}

// Where the curve between two axes is, at a share of the way across: the cubic with both
// handles in the middle, solved for its parameter by Newton's method.
export function between(from, to, share) {
  let t = share;
  for (let k = 0; k < 5; k += 1) {
    const x = 1.5 * t - 1.5 * t * t + t ** 3;
    const slope = 1.5 - 3 * t + 3 * t * t;
    t -= (x - share) / slope;
  }
  return from + (to - from) * (3 * t * t - 2 * t ** 3);
}

// The line nearest to a point, or null when none is within `reach` pixels.
export function nearestLine({ axes, lines }, across, along, reach = 10) {
  const gap = axes.findIndex((axis, k) => k + 1 < axes.length && across <= axes[k + 1].across);
  if (gap < 0 || across < axes[0].across) return null;
  const share = (across - axes[gap].across) / (axes[gap + 1].across - axes[gap].across);
  let found = null;
  let least = reach;
  for (const line of lines) {
    const away = Math.abs(between(line.places[gap], line.places[gap + 1], share) - along);
    if (away <= least) {
      least = away;
      found = line;
    }
  }
  return found;
}
