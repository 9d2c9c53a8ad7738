// The curves of compared trials by another x axis, and smoothed.

import assert from "node:assert/strict";
import { test } from "node:test";

import { chosenCurves, valueUpTo } from "../../static/js/pages/compare_chart.js";

const trials = [{ name: "1", curve: [[1, 2, 10, 0.5], [2, 4, 20, 1.5], [3, Number.NaN, 30, null]] }];

test("curves follow the chosen x, without points that have none", () => {
  const curve = (options) => chosenCurves(trials, options)[0].curve;
  assert.deepEqual(curve({}).map(([x]) => x), [1, 2, 3]);
  assert.deepEqual(curve({ x: "step" }).map(([x]) => x), [10, 20, 30]);
  assert.deepEqual(curve({ x: "seconds" }), [[0.5, 2], [1.5, 4]]);
});

test("smoothing follows the values and leaves the model alone", () => {
  const [{ curve }] = chosenCurves(trials, { smooth: "0.5" });
  assert.ok(curve[1][1] > 2 && curve[1][1] < 4);
  assert.equal(trials[0].curve[1][1], 4);
});

test("a value holds until the next point, and not beyond the last", () => {
  const curve = [[1, 10], [3, 30]];
  assert.deepEqual([0, 1, 2, 3, 4].map((at) => valueUpTo(curve, at)), [null, 10, 10, 30, null]);
  assert.equal(valueUpTo([], 1), null);
});
