// Axes of columns: where a value is, and which condition a brush on the axis means.
//
// An axis has positions from `min` to `max`; a chart maps them to pixels. Trials that do
// not set a parameter have their own stop, `unsetAt`, below the axis' low end.
// An axis: {field, title, kind: "number" | "choice" | "value", min, max, unsetAt or null,
//   forward(cell), inverse(position), ticks(pixels) → [cell], text(cell), cells}

import { duration, parameter } from "../../format.js";
import { domainOf, logTicks, makeScale, preferredKind, roundTicks, tickText } from "../../scales.js";

// Room for the stop, as a share of the axis.
const STOP = 0.1;
const DIGITS = 4;
const MAX_BANDS = 24;

function withStop(axis, hasUnset) {
  if (!hasUnset) return { ...axis, unsetAt: null };
  const room = (axis.max - axis.min) * STOP;
  return { ...axis, start: axis.min, min: axis.min - room, unsetAt: axis.min - room * 0.85 };
}

function choiceAxis(name, { values, cells }) {
  return {
    field: name,
    title: name,
    kind: "choice",
    values,
    cells,
    min: -0.5,
    max: values.length - 0.5,
    start: -0.5,
    forward: (place) => place,
    inverse: Math.round,
    ticks: () => values.map((_, place) => place),
    text: (place) => parameter(values[place]),
  };
}

function numberTicks(scale, log, [low, high]) {
  return (pixels) => {
    if (log) return logTicks(low, high, Math.max(2, pixels / 60));
    const inner = roundTicks(low, high, Math.max(2, pixels / 70));
    const near = (a, b) => Math.abs(a - b) < (high - low) * 0.12;
    return [low, ...inner.filter((value) => !near(value, low) && !near(value, high)), high];
  };
}

function numberAxis(name, { cells, log, low, high, integer = false }) {
  let domain = [low, high].every(Number.isFinite) ? [low, high] : domainOf([...cells].filter(Number.isFinite));
  if (!(domain[1] > domain[0])) domain = [domain[0] - 0.5, domain[0] + 0.5];
  const isLog = Boolean(log) && domain[0] > 0;
  const scale = makeScale(isLog ? "log" : "linear", domain);
  const [min, max] = domain.map(scale.forward);
  return {
    field: name,
    title: isLog ? `${name} (log)` : name,
    kind: "number",
    integer,
    cells,
    ...{ min, max, start: min },
    forward: (value) => (isLog && value <= 0 ? min : scale.forward(value)),
    inverse: scale.inverse,
    ticks: numberTicks(scale, isLog, domain),
    text: tickText,
  };
}

// Axes by the parameter of the columns: brushes ask for them at each move.
const made = new WeakMap();

// The axis of a parameter.
export function parameterAxis(own) {
  if (!made.has(own)) {
    const { kind, name, cells } = own;
    const axis = kind === "choice" ? choiceAxis(name, own) : numberAxis(name, own);
    made.set(own, withStop(axis, cells.some(Number.isNaN)));
  }
  return made.get(own);
}

// The axis of the objective; better is up. spread: "stretched", "linear", "log" or nothing.
export function valueAxis(columns, spread = null) {
  const { metric, goal, value, order } = columns;
  const values = order.map((row) => value[row]);
  const domain = domainOf(values, { goal, musts: columns.best < 0 ? [] : [value[columns.best]] });
  const scale = makeScale(spread || preferredKind(values, goal), domain, goal);
  const ends = domain.map(scale.forward);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  return {
    field: columns.chosen || /^\w+$/.test(metric) ? metric : "value",
    title: goal === "minimize" ? `${metric} (lower is better)` : metric,
    kind: "value",
    cells: value,
    spread: scale.kind,
    ...{ min: low, max: high, start: low, unsetAt: null },
    forward: scale.forward,
    inverse: scale.inverse,
    ticks: scale.ticks,
    text: tickText,
  };
}

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

// The axis of a trial's duration, in the unit that suits the longest.
export function durationAxis(columns, log = false) {
  const found = [...columns.took].filter((value) => value > 0);
  const longest = Math.max(...found, 1);
  const [size, unit] = UNITS.find(([each]) => longest >= 2 * each) ?? UNITS.at(-1);
  const low = log ? Math.min(...found, longest / 2) : 0;
  const scale = makeScale(log ? "log" : "linear", [low / size, longest / size]);
  return {
    field: "took",
    title: `duration, ${unit}`,
    kind: "number",
    cells: columns.took,
    ...{ min: scale.forward(low / size), max: scale.forward(longest / size), unsetAt: null },
    start: scale.forward(low / size),
    forward: (seconds) => scale.forward(seconds / size),
    inverse: (position) => scale.inverse(position) * size,
    ticks: (pixels) => scale.ticks(pixels).map((value) => value * size),
    text: (seconds) => tickText(Number((seconds / size).toPrecision(6))),
    inWords: duration,
  };
}

// Whether each value has a band: choices, and whole numbers if they are few.
export function isBanded({ kind, integer, max, start, forward }) {
  if (kind === "choice") return true;
  return Boolean(integer) && max - start <= MAX_BANDS && forward(2) - forward(1) === 1;
}

// The position of every row: at the stop for values that are not set, NaN for none.
export function positionsOf(axis) {
  const { cells, forward, unsetAt, min, max } = axis;
  const places = new Float64Array(cells.length);
  for (let row = 0; row < cells.length; row += 1) {
    const cell = cells[row];
    if (Number.isNaN(cell)) places[row] = unsetAt ?? Number.NaN;
    else places[row] = Math.min(max, Math.max(min, forward(cell)));
  }
  return places;
}

// ---- brushes ------------------------------------------------------------------------

const rounded = (value) => Number(value.toPrecision(DIGITS));

// The condition of a brush between two positions; null where it holds every value.
export function conditionOn(axis, from, to) {
  const [low, high] = [Math.min(from, to), Math.max(from, to)];
  const { field, start, max, unsetAt } = axis;
  if (unsetAt !== null && high < start) return { field, unset: true };
  if (axis.kind === "choice") {
    const values = axis.values.filter((_, place) => place >= low && place <= high);
    if (values.length === axis.values.length && !(unsetAt !== null && low > unsetAt)) return null;
    return values.length === 0 ? null : { field, values: values.map(asLiteral) };
  }
  const slack = (max - start) * 1e-6;
  const ends = [];
  if (low > start + slack) ends.push(low);
  if (high < max - slack) ends.push(high);
  const values = ends.map((end) => axis.inverse(end)).map(axis.integer ? Math.round : rounded);
  if (values.length === 0) return null;
  if (values.length === 2) return { field, low: Math.min(...values), high: Math.max(...values) };
  // A turned axis has its greater values at the low end.
  const isLower = (low > start + slack) === (axis.inverse(max) > axis.inverse(start));
  return { field, [isLower ? "low" : "high"]: values[0] };
}

function asLiteral(value) {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? value
    : JSON.stringify(value);
}

// Where a condition is on the axis, as [from, to]; null if it is not on it.
export function rangeOn(axis, condition) {
  if (!condition) return null;
  const { start, max, unsetAt } = axis;
  if (condition.unset) return unsetAt === null ? null : [axis.min, axis.min + (start - axis.min) * 0.8];
  if (condition.values) return rangeOfValues(axis, condition.values);
  if (axis.kind === "choice") {
    const { low = -Infinity, high = Infinity } = condition;
    return rangeOfValues(axis, axis.values.filter((value) => value >= low && value <= high));
  }
  const turned = axis.inverse(max) < axis.inverse(start);
  const clip = (position) => Math.min(max, Math.max(start, position));
  const ends = [condition.low, condition.high].map((end, k) => {
    if (end === undefined) return (k === 0) === turned ? max : start;
    return clip(axis.forward(end));
  });
  return [Math.min(...ends), Math.max(...ends)];
}

function rangeOfValues(axis, values) {
  if (axis.kind !== "choice") {
    const places = values.filter(Number.isFinite).map(axis.forward);
    const half = (axis.max - axis.start) * 0.01;
    return places.length === 0 ? null : [Math.min(...places) - half, Math.max(...places) + half];
  }
  const texts = new Set(values.map((value) => JSON.stringify(asLiteral(value))));
  const places = axis.values.flatMap((value, place) => (texts.has(JSON.stringify(asLiteral(value))) ? [place] : []));
  return places.length === 0 ? null : [Math.min(...places) - 0.5, Math.max(...places) + 0.5];
}

// A brush after a key: arrows move it, with Shift they move its upper end. null without
// a meaning. Begins with the middle third.
export function brushAfterKey(axis, range, { key, shiftKey }) {
  const direction = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[key];
  if (!direction) return null;
  const span = axis.max - axis.start;
  const step = axis.kind === "choice" ? 1 : span / 20;
  if (!range) {
    if (axis.kind === "choice") return direction > 0 ? [-0.5, 0.5] : [axis.max - 1, axis.max];
    return [axis.start + span / 3, axis.max - span / 3];
  }
  const [low, high] = range;
  if (shiftKey) return [low, Math.min(axis.max, Math.max(low + step / 2, high + direction * step))];
  const move = Math.max(axis.start - low, Math.min(axis.max - high, direction * step));
  return [low + move, high + move];
}

// A condition as a chip says it: "lr 0.001 to 0.01".
export function conditionWords(condition) {
  const { field, low, high, values, unset, text } = condition;
  if (text !== undefined) return text;
  if (unset) return `${field} not set`;
  if (values) return `${field} ${values.map((value) => parameter(value)).join(", ")}`;
  const write = field === "took" ? duration : tickText;
  if (low === undefined) return `${field} ≤ ${write(high)}`;
  if (high === undefined) return `${field} ≥ ${write(low)}`;
  return `${field} ${write(low)} to ${write(high)}`;
}
