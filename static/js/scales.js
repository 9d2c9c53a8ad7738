// Axes as plain functions: forward maps a value to the axis, inverse back, ticks
// chooses round numbers for a length in pixels, text writes them.

// Closer than this to the ideal end two values look the same on a stretched axis.
const CLOSEST = 0.002;

// Tick candidates of a stretched axis as distances to the ideal end, the plainest first.
const TIERS = [
  [1, 0.1, 0.01],
  [0.5, 0.05, 0.005],
  [0.2, 0.02, 0.002],
  [0.8, 0.3, 0.03, 0.003],
  [0.4, 0.6, 0.08, 0.06, 0.04, 0.008],
];
// Only for axes so short in values that the plainer ones leave them bare.
const SPARE = [0.9, 0.7, 0.07, 0.09, 0.15, 0.12, 0.025, 0.015];

export function stretch(value, goal) {
  const away = goal === "minimize" ? value : 1 - value;
  return -Math.log10(Math.max(CLOSEST, Math.min(1, away)));
}

export function unstretch(position, goal) {
  const away = 10 ** -position;
  return goal === "minimize" ? away : 1 - away;
}

function within(value) {
  return value >= 0 && value <= 1;
}

export function canStretch(values) {
  const finite = values.filter(Number.isFinite);
  return finite.length > 0 && finite.every(within);
}

function tidy(value) {
  return Number(value.toPrecision(12));
}

function niceStep(span, target) {
  const rough = span / Math.max(1, target);
  const power = 10 ** Math.floor(Math.log10(rough));
  const lead = rough / power;
  const nice = lead <= 1.0001 ? 1 : lead <= 2.0001 ? 2 : lead <= 5.0001 ? 5 : 10;
  return nice * power;
}

export function roundTicks(low, high, target = 5) {
  if (!(high > low)) return [low];
  const step = niceStep(high - low, target);
  const ticks = [];
  const slack = step * 1e-9;
  for (let k = Math.ceil((low - slack) / step); k * step <= high + slack; k += 1) {
    ticks.push(tidy(k * step));
  }
  return ticks;
}

// Whole numbers from low on: every one or every other, or low itself and then the round
// ones.
export function wholeTicks(low, high, target = 6) {
  if (!(high > low)) return [low];
  const step = Math.max(1, niceStep(high - low, target));
  const ticks = [low];
  const first = step <= 2 ? low + step : Math.ceil((low + 1) / step) * step;
  for (let value = first; value <= high; value += step) {
    if (value - low >= step * 0.45) ticks.push(value);
  }
  return ticks;
}

export function logTicks(low, high, target = 5) {
  if (!(low > 0) || !(high > low)) return [low];
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.ceil(Math.log10(high) - 1e-9);
  const every = Math.max(1, Math.ceil((last - first) / target));
  const leads = Math.log10(high / low) <= 2.2 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = first; power <= last; power += every) {
    for (const lead of leads) {
      const value = tidy(lead * 10 ** power);
      if (value >= low * 0.9999 && value <= high * 1.0001) ticks.push(value);
    }
  }
  return ticks;
}

// As many plain numbers as keep `gap` (in stretched units) from one another. An axis
// that reaches the ideal end says so there.
export function stretchedTicks(low, high, goal, gap) {
  const from = Math.min(stretch(low, goal), stretch(high, goal)) - 1e-9;
  const to = Math.max(stretch(low, goal), stretch(high, goal)) + 1e-9;
  const reachesIdeal = goal === "minimize" ? low <= 0 : high >= 1;
  const ideal = goal === "minimize" ? 0 : 1;
  const kept = reachesIdeal ? [{ at: -Math.log10(CLOSEST), value: ideal }] : [];
  const consider = (away) => {
    const at = -Math.log10(away);
    if (at < from || at > to) return;
    if (kept.some((other) => Math.abs(other.at - at) < gap)) return;
    kept.push({ at, value: tidy(goal === "minimize" ? away : 1 - away) });
  };
  TIERS.flat().forEach(consider);
  if (kept.length < 4) SPARE.forEach(consider);
  return kept.sort((a, b) => a.value - b.value).map((tick) => tick.value);
}

export function tickText(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) {
    return value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e").replace("-", "−");
  }
  return String(tidy(value)).replace("-", "−");
}

// Better is up (or right): where less is better, the axis is turned round, and its
// title says so on every chart.
export const TURNED = "lower is better, drawn upwards";

function linearScale(low, high, sign) {
  return {
    kind: "linear",
    forward: (value) => sign * value,
    inverse: (at) => sign * at,
    ticks: (pixels) => roundTicks(low, high, Math.max(2, pixels / 42)),
  };
}

function logScale(low, high, sign) {
  return {
    kind: "log",
    forward: (value) => sign * Math.log10(Math.max(value, low)),
    inverse: (at) => 10 ** (sign * at),
    ticks: (pixels) => logTicks(low, high, Math.max(2, pixels / 36)),
  };
}

function stretchedScale(low, high, goal) {
  const span = Math.abs(stretch(high, goal) - stretch(low, goal)) || 1;
  const plain = (pixels) => roundTicks(low, high, Math.max(2, pixels / 42));
  return {
    kind: "stretched",
    forward: (value) => stretch(value, goal),
    inverse: (at) => unstretch(at, goal),
    ticks: (pixels) => {
      const ticks = stretchedTicks(low, high, goal, (span * 22) / pixels);
      return ticks.length >= 3 ? ticks : plain(pixels);
    },
  };
}

// kind: "linear", "log" or "stretched"; domain: [low, high] in the value's own unit.
// A log axis without a positive low end is drawn as a linear one.
export function makeScale(kind, [low, high], goal = "maximize") {
  const sign = goal === "minimize" ? -1 : 1;
  let scale;
  if (kind === "stretched") scale = stretchedScale(low, high, goal);
  else if (kind === "log" && low > 0) scale = logScale(low, high, sign);
  else scale = linearScale(low, high, sign);
  return { ...scale, domain: [low, high], text: tickText, title: sign < 0 ? TURNED : "" };
}

// The same axis without ticks, for charts without values.
export function bare(scale) {
  return { ...scale, ticks: () => [] };
}

function quantile(sorted, share) {
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  const next = sorted[Math.min(low + 1, sorted.length - 1)];
  return sorted[low] + (next - sorted[low]) * (at - low);
}

// The part of the values worth an axis: all of `musts`, and of the rest what is left
// after cutting the bad end if it is an outlier (a loss of 900 in the first step).
export function domainOf(values, { goal = "maximize", musts = [] } = {}) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return [0, 1];
  let low = sorted[0];
  let high = sorted[sorted.length - 1];
  const middle = quantile(sorted, 0.95) - quantile(sorted, 0.05);
  if (goal === "minimize") high = Math.min(high, quantile(sorted, 0.95) + middle);
  else low = Math.max(low, quantile(sorted, 0.05) - middle);
  for (const value of musts.filter(Number.isFinite)) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (high > low) return [low, high];
  const half = within(low) ? Math.min(low, 1 - low) / 2 || 0.05 : Math.abs(low) / 10;
  return [low - half, high + half];
}

// The default scale: stretched for metrics within 0 to 1, log for
// losses that fall by more than a tenth.
export function preferredKind(values, goal = "maximize") {
  if (canStretch(values)) return "stretched";
  const finite = values.filter(Number.isFinite);
  const low = Math.min(...finite);
  return goal === "minimize" && low > 0 && Math.max(...finite) > 10 * low ? "log" : "linear";
}
