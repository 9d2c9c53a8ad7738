// What a state is called, its glyph in icons.svg, and the CSS variables of its tones.
// "best" is not a state, but an extra mark on a trial.

function entry(name, word) {
  return Object.freeze({
    name,
    word,
    glyph: name,
    tone: `--${name}`,
    fill: `--${name}-fill`,
  });
}

export const STATES = Object.freeze({
  best: entry("best", "best"),
  completed: entry("completed", "completed"),
  terminated: entry("terminated", "ended early"),
  failed: entry("failed", "failed"),
  running: entry("running", "running"),
  cancelled: entry("cancelled", "cancelled"),
  queued: entry("queued", "queued"),
});

// The order of bars, legends and chips.
export const ORDER = Object.freeze([
  "completed",
  "terminated",
  "failed",
  "running",
  "cancelled",
  "queued",
]);

export function lookOf(trial) {
  return STATES[trial.best ? "best" : trial.state] ?? STATES.queued;
}

export function word(state) {
  return STATES[state]?.word ?? state;
}

export function countStates(trials) {
  const counts = Object.fromEntries(ORDER.map((state) => [state, 0]));
  for (const trial of trials) counts[trial.state] = (counts[trial.state] ?? 0) + 1;
  return counts;
}

// Is value a better than value b under the objective? null is worse than any number.
export function isBetter(a, b, goal) {
  if (!Number.isFinite(a)) return false;
  if (!Number.isFinite(b)) return true;
  return goal === "minimize" ? a < b : a > b;
}

// Trials with a finite value, the best first; ties go to the earlier trial.
export function ranked(trials, goal) {
  const sign = goal === "minimize" ? 1 : -1;
  return trials
    .filter((trial) => Number.isFinite(trial.value))
    .sort((a, b) => sign * (a.value - b.value) || a.number - b.number);
}

// States in which a trial may be the best: a failed trial's value does not count, that of
// a running one does not yet.
const RANKED = new Set(["completed", "terminated", "cancelled"]);

// Trials that beat all ranked ones before them, in the order of their numbers.
export function leaders(trials, goal) {
  const found = [];
  for (const trial of [...trials].sort((a, b) => a.number - b.number)) {
    if (!RANKED.has(trial.state) || !isBetter(trial.value, found.at(-1)?.value, goal)) continue;
    found.push(trial);
  }
  return found;
}
