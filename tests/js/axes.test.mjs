import assert from "node:assert/strict";
import { test } from "node:test";

import {
  brushAfterKey,
  conditionOn,
  conditionWords,
  durationAxis,
  parameterAxis,
  positionsOf,
  rangeOn,
  valueAxis,
} from "../../static/js/charts/data/axes.js";

const LR = { name: "lr", kind: "number", log: true, low: 1e-4, high: 1, cells: [1e-3, 0.1, Number.NaN] };
const OPT = { name: "opt", kind: "choice", values: ["sgd", "adam", "adamw"], cells: [0, 2, 1] };
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test("a logarithmic axis has equal steps for equal ratios, and a stop for what is not set", () => {
  const axis = parameterAxis(LR);
  const places = positionsOf(axis);
  near(places[1] - places[0], 2);
  assert.ok(places[2] < axis.start);
  assert.equal(axis.title, "lr (log)");
});

test("a brush becomes a condition and finds its place again", () => {
  const axis = parameterAxis(LR);
  const condition = conditionOn(axis, -2, -3);
  assert.deepEqual(condition, { field: "lr", low: 0.001, high: 0.01 });
  const range = rangeOn(axis, condition);
  near(range[0], -3);
  near(range[1], -2);
});

test("a brush up to an end has one bound, over everything none", () => {
  const axis = parameterAxis({ ...LR, cells: [1e-3] });
  assert.deepEqual(conditionOn(axis, axis.start, -3), { field: "lr", high: 0.001 });
  assert.deepEqual(conditionOn(axis, -3, axis.max), { field: "lr", low: 0.001 });
  assert.equal(conditionOn(axis, axis.start, axis.max), null);
  assert.deepEqual(rangeOn(axis, { field: "lr", low: 0.01 }), [-2, 0]);
});

test("a brush on the stop alone means not set", () => {
  const axis = parameterAxis(LR);
  const condition = conditionOn(axis, axis.min, axis.unsetAt);
  assert.deepEqual(condition, { field: "lr", unset: true });
  assert.ok(rangeOn(axis, condition)[1] < axis.start);
});

test("choices inside the brush are listed", () => {
  const axis = parameterAxis(OPT);
  assert.deepEqual(conditionOn(axis, 0.4, 2.4), { field: "opt", values: ["adam", "adamw"] });
  assert.equal(conditionOn(axis, -0.5, 2.5), null);
  assert.deepEqual(rangeOn(axis, { field: "opt", values: ["adamw"] }), [1.5, 2.5]);
});

const columns = (goal) => ({
  metric: "loss",
  goal,
  value: Float64Array.of(5, 2, 9, 4),
  order: [1, 3, 0, 2],
  best: 1,
});

test("where lower is better the axis is turned, and a brush keeps its meaning", () => {
  const axis = valueAxis(columns("minimize"), "linear");
  assert.ok(axis.forward(2) > axis.forward(9));
  const upper = conditionOn(axis, axis.forward(4), axis.max);
  assert.deepEqual(upper, { field: "loss", high: 4 });
  assert.deepEqual(rangeOn(axis, upper), [axis.forward(4), axis.max]);
  assert.deepEqual(conditionOn(axis, axis.start, axis.forward(4)), { field: "loss", low: 4 });
});

test("durations are drawn in the unit that suits the longest, and brushed in seconds", () => {
  const axis = durationAxis({ took: Float64Array.of(30, 600, Number.NaN) });
  assert.equal(axis.title, "duration, min");
  assert.equal(axis.text(600), "10");
  assert.deepEqual(conditionOn(axis, 2, 5), { field: "took", low: 120, high: 300 });
});

test("arrows move a brush inside its axis, with Shift they move its upper end", () => {
  const axis = { kind: "number", start: 0, min: 0, max: 20 };
  const up = { key: "ArrowUp", shiftKey: false };
  const first = brushAfterKey(axis, null, up);
  near(first[0], 20 / 3);
  assert.deepEqual(brushAfterKey(axis, [5, 10], up), [6, 11]);
  assert.deepEqual(brushAfterKey(axis, [10, 20], up), [10, 20]);
  assert.deepEqual(brushAfterKey(axis, [5, 10], { key: "ArrowDown", shiftKey: true }), [5, 9]);
  assert.equal(brushAfterKey(axis, [5, 10], { key: "a" }), null);
});

test("chips say a condition in words", () => {
  assert.equal(conditionWords({ field: "lr", low: 0.001, high: 0.01 }), "lr 0.001 to 0.01");
  assert.equal(conditionWords({ field: "dropout", high: 0.3 }), "dropout ≤ 0.3");
  assert.equal(conditionWords({ field: "opt", values: ["sgd", "adam"] }), "opt sgd, adam");
  assert.equal(conditionWords({ field: "took", low: 90 }), "took ≥ 1 m 30 s");
  assert.equal(conditionWords({ text: "tag = x" }), "tag = x");
});
