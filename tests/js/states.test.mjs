import assert from "node:assert/strict";
import { test } from "node:test";

import { ORDER, STATES, countStates, isBetter, lookOf, ranked, word } from "../../static/js/states.js";

test("terminated is called ended early", () => {
  assert.equal(word("terminated"), "ended early");
  assert.equal(word("completed"), "completed");
});

test("bars and legends go from what is done to what is left", () => {
  assert.deepEqual(ORDER.slice(0, 4), ["completed", "terminated", "failed", "running"]);
});

test("every state names a glyph and both its tones", () => {
  for (const state of Object.values(STATES)) {
    assert.equal(state.tone, `--${state.glyph}`);
    assert.equal(state.fill, `--${state.glyph}-fill`);
  }
});

test("the best trial looks like the best whatever its state", () => {
  assert.equal(lookOf({ state: "running", best: true }).name, "best");
  assert.equal(lookOf({ state: "failed", best: false }).name, "failed");
});

test("states are counted, also those that do not occur", () => {
  const counts = countStates([{ state: "failed" }, { state: "failed" }, { state: "running" }]);
  assert.deepEqual([counts.failed, counts.running, counts.completed], [2, 1, 0]);
});

test("better follows the goal, and any number beats none", () => {
  assert.ok(isBetter(0.9, 0.8, "maximize"));
  assert.ok(isBetter(0.8, 0.9, "minimize"));
  assert.ok(isBetter(0.8, null, "minimize"));
  assert.ok(!isBetter(null, 0.8, "maximize"));
  assert.ok(!isBetter(0.8, 0.8, "maximize"));
});

test("ranking leaves out trials without a value and gives ties to the earlier", () => {
  const trials = [
    { number: 1, value: 0.5 },
    { number: 2, value: null },
    { number: 4, value: 0.9 },
    { number: 3, value: 0.9 },
  ];
  assert.deepEqual(ranked(trials, "maximize").map((trial) => trial.number), [3, 4, 1]);
  assert.deepEqual(ranked(trials, "minimize").map((trial) => trial.number), [1, 3, 4]);
});
