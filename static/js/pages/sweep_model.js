// The charts' model of a sweep's page, brought up to date. Pure.

import { isBetter } from "../states.js";

const RANKED = new Set(["completed", "terminated", "cancelled"]);

// The model with changed trials in it, the star on `best`, and no more than the newest
// `model.most` trials beside those that were the best in their time.
export function withNews(model, { trials, best, total }) {
  const byId = new Map(model.trials.map((trial) => [trial.id, trial]));
  for (const trial of trials) byId.set(trial.id, trial);
  const all = [...byId.values()].map((trial) =>
    trial.best === (trial.id === best) ? trial : { ...trial, best: trial.id === best },
  );
  return { ...model, total, trials: newest(all, model.most, model.objective.goal) };
}

// The ids of trials that beat all before them.
export function leaders(trials, goal) {
  const found = new Set();
  let best = null;
  for (const trial of [...trials].sort((a, b) => a.number - b.number)) {
    if (!RANKED.has(trial.state) || !isBetter(trial.value, best, goal)) continue;
    best = trial.value;
    found.add(trial.id);
  }
  return found;
}

// Plain trials that have grown too old are let go; leaders stay.
export function newest(trials, most, goal) {
  const sorted = [...trials].sort((a, b) => b.number - a.number);
  if (sorted.length <= most) return sorted;
  const last = sorted[most - 1].number;
  const led = leaders(trials, goal);
  return sorted.filter((trial) => trial.number >= last || trial.best || led.has(trial.id));
}

// States that a URL's ?states= leaves out, of those that there are.
export function hiddenStates(search, known) {
  const given = new URLSearchParams(search).get("states");
  if (given === null) return [];
  const shown = new Set(given.split(","));
  return known.filter((state) => !shown.has(state));
}

// A link's address with what a person has picked on this page since it was drawn.
export function merged(href, search, base) {
  const url = new URL(href, base);
  for (const [name, value] of new URLSearchParams(search)) {
    const own = name.includes(".") || name === "states" || name === "ticked";
    if (own && (!url.searchParams.has(name) || name === "ticked")) url.searchParams.set(name, value);
  }
  return url;
}
