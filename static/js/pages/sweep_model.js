// The charts' model of a sweep's page, brought up to date. Pure.

import { leaders } from "../states.js";

// The model with changed trials in it, the star on `best`, and no more than the newest
// `model.most` trials and those that were the best in their time.
export function withNews(model, { trials, best, total }) {
  const byId = new Map(model.trials.map((trial) => [trial.id, trial]));
  for (const trial of trials) byId.set(trial.id, trial);
  const all = [...byId.values()].map((trial) =>
    trial.best === (trial.id === best) ? trial : { ...trial, best: trial.id === best },
  );
  return { ...model, total, trials: newest(all, model.most, model.objective.goal) };
}

// Plain trials that have grown too old are let go; leaders stay.
function newest(trials, most, goal) {
  const sorted = [...trials].sort((a, b) => b.number - a.number);
  if (sorted.length <= most) return sorted;
  const last = sorted[most - 1].number;
  const led = new Set(leaders(trials, goal).map((trial) => trial.id));
  return sorted.filter((trial) => trial.number >= last || trial.best || led.has(trial.id));
}

// A link's address with what a person has picked on this page since it was drawn.
export function merged(href, search, base) {
  const url = new URL(href, base);
  for (const [name, value] of new URLSearchParams(search)) {
    if (name.includes(".") && !url.searchParams.has(name)) url.searchParams.set(name, value);
  }
  return url;
}
