import assert from "node:assert/strict";
import { test } from "node:test";

import { axisOf, between, layOut, nearestLine, positions } from "../../static/js/charts/parallel_geometry.js";

const SPACE = [
  { name: "units", kind: "choice", values: [128, 16, 64] },
  { name: "rate", kind: "number", log: true, low: 1e-4, high: 0.1 },
  { name: "momentum", kind: "number", log: false, low: 0.5, high: 1 },
];
const OBJECTIVE = { metric: "accuracy", goal: "maximize" };
const FRAME = { acrossFrom: 0, acrossTo: 300, alongLow: 200, alongHigh: 0 };

function trial(number, value, params) {
  return { number, value, params, state: "completed", best: false };
}

const TRIALS = [
  trial(1, 0.6, { units: 16, rate: 1e-4, momentum: 0.5 }),
  trial(2, 0.9, { units: 16, rate: 0.1 }),
  trial(3, 0.8, { units: 128, rate: 0.01, momentum: 1 }),
  trial(4, null, { units: 64, rate: 0.01, momentum: 1 }),
];

const layout = () => layOut({ space: SPACE, objective: OBJECTIVE, trials: TRIALS }, FRAME);

test("axes stand evenly, the objective last", () => {
  const { axes } = layout();
  assert.deepEqual(axes.map((axis) => axis.across), [0, 100, 200, 300]);
  assert.equal(axes.at(-1).axis.name, "accuracy");
  assert.deepEqual(positions(1, 0, 10), [5]);
});

test("trials without a value are not drawn, and the best is drawn last", () => {
  assert.deepEqual(layout().lines.map((line) => line.trial.number), [1, 3, 2]);
});

test("a failed trial is not ranked, whatever its value", () => {
  const failed = { ...trial(5, 0.99, { units: 16, rate: 0.1, momentum: 1 }), state: "failed" };
  const { lines, axes } = layOut({ space: SPACE, objective: OBJECTIVE, trials: [...TRIALS, failed] }, FRAME);
  assert.deepEqual(lines.map((line) => line.trial.number), [1, 3, 2]);
  assert.equal(lines.at(-1).share, 1);
  assert.ok(!axes.at(-1).places.has(5));
});

test("the best has share 1 and the worst 0", () => {
  const shares = Object.fromEntries(layout().lines.map((line) => [line.trial.number, line.share]));
  assert.deepEqual(shares, { 1: 0, 2: 1, 3: 0.5 });
});

test("numeric choices are in order, whatever order they came in", () => {
  assert.deepEqual(axisOf(SPACE[0], TRIALS).values, [16, 64, 128]);
});

test("trials with the same choice lie side by side, the better further up", () => {
  const [units] = layout().axes;
  const [worse, better] = [units.places.get(1), units.places.get(2)];
  assert.ok(better < worse);
  assert.ok(worse - better <= 3);
});

test("a log axis puts decades at equal distances", () => {
  const rate = layout().axes[1];
  assert.ok(Math.abs(rate.place(1e-4) - 200) < 1e-6);
  assert.ok(Math.abs(rate.place(0.1)) < 1e-6);
  assert.ok(Math.abs(rate.place(0.001) - 200 * (2 / 3)) < 1e-6);
});

test("a parameter that is not set ends at a stop below its axis", () => {
  const momentum = layout().axes[2];
  assert.equal(momentum.unsetAt, 200);
  assert.equal(momentum.places.get(2), 200);
  assert.ok(momentum.places.get(1) < 180);
});

test("an axis that all trials set has no such stop", () => {
  assert.equal(layout().axes[1].unsetAt, null);
});

test("the better end of the objective is up for both goals", () => {
  for (const goal of ["maximize", "minimize"]) {
    const { axes } = layOut({ space: SPACE, objective: { metric: "m", goal }, trials: TRIALS }, FRAME);
    const best = goal === "maximize" ? 2 : 1;
    const worst = goal === "maximize" ? 1 : 2;
    assert.ok(axes.at(-1).places.get(best) < axes.at(-1).places.get(worst));
  }
});

test("a curve runs from one place to the other and is steepest in the middle", () => {
  assert.equal(between(10, 50, 0), 10);
  assert.ok(Math.abs(between(10, 50, 1) - 50) < 1e-6);
  assert.ok(Math.abs(between(10, 50, 0.5) - 30) < 1e-6);
});

test("the line under the pointer is found, and none where there is none", () => {
  const laid = layout();
  const line = laid.lines.find((each) => each.trial.number === 3);
  const along = between(line.places[0], line.places[1], 0.5);
  assert.equal(nearestLine(laid, 50, along).trial.number, 3);
  assert.equal(nearestLine(laid, 50, -80), null);
  assert.equal(nearestLine(laid, -20, along), null);
});

test("one trial alone is the best", () => {
  const { lines } = layOut({ space: SPACE, objective: OBJECTIVE, trials: [TRIALS[0]] }, FRAME);
  assert.equal(lines[0].share, 1);
});

test("choices may be lists, equal when they read the same", () => {
  const space = [{ name: "layers", kind: "choice", values: [[64], [64, 32]] }];
  const trials = [trial(1, 0.5, { layers: [64] }), trial(2, 0.6, { layers: [64, 32] }), trial(3, 0.7, { layers: [64] })];
  const [layers] = layOut({ space, objective: OBJECTIVE, trials }, FRAME).axes;
  assert.ok(Math.abs(layers.places.get(1) - 150) < 5);
  assert.ok(Math.abs(layers.places.get(3) - 150) < 5);
  assert.equal(layers.places.get(2), 50);
  assert.deepEqual(layers.ticks.map((tick) => tick.text), ["[64]", "[64,32]"]);
});
