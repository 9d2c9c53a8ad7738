import assert from "node:assert/strict";
import { test } from "node:test";

import { parameterAxis, valueAxis } from "../../static/js/charts/data/axes.js";
import { columnsOfModel } from "../../static/js/charts/data/columns.js";
import { blend, lineCounts, pointCounts, rangeOf, stepOf } from "../../static/js/charts/density.js";
import { axisNear, axisOrder, layOut, movedTo, nearestLine, positions } from "../../static/js/charts/parallel_geometry.js";

const SPACE = [
  { name: "units", kind: "choice", values: [128, 16, 64] },
  { name: "rate", kind: "number", log: true, low: 1e-4, high: 0.1 },
  { name: "momentum", kind: "number", log: false, low: 0.5, high: 1 },
];
const FRAME = { acrossFrom: 0, acrossTo: 300, alongLow: 200, alongHigh: 0 };

function trial(number, value, params, state = "completed") {
  return { id: number, number, value, params, state, best: false };
}

const TRIALS = [
  trial(1, 0.6, { units: 16, rate: 1e-4, momentum: 0.5 }),
  trial(2, 0.9, { units: 16, rate: 0.1 }),
  trial(3, 0.8, { units: 128, rate: 0.01, momentum: 1 }),
  trial(4, null, { units: 64, rate: 0.01, momentum: 1 }),
  trial(5, 0.99, { units: 16, rate: 0.1, momentum: 1 }, "failed"),
];

function laidOf({ space = SPACE, goal = "maximize", trials = TRIALS } = {}) {
  const columns = columnsOfModel({ objective: { metric: "accuracy", goal }, space, trials });
  const axes = layOut([...columns.axes.map(parameterAxis), valueAxis(columns)], columns.drawn, FRAME);
  return { columns, axes, placeOf: (k, number) => axes[k].places[columns.rowOf.get(number)] };
}

test("axes are evenly spaced, the objective last", () => {
  const { axes } = laidOf();
  assert.deepEqual(axes.map((axis) => axis.across), [0, 100, 200, 300]);
  assert.equal(axes.at(-1).axis.field, "accuracy");
  assert.deepEqual(positions(1, 0, 10), [5]);
});

test("failed trials and those without a value are not drawn, and the best is first", () => {
  const { columns } = laidOf();
  assert.deepEqual(columns.drawn.map((row) => columns.number[row]), [2, 3, 1]);
  assert.deepEqual(columns.drawn.map((row) => columns.share[row]), [1, 0.5, 0]);
});

test("trials with the same choice are side by side, the better further up", () => {
  const { placeOf } = laidOf();
  assert.ok(placeOf(0, 2) < placeOf(0, 1));
  assert.ok(placeOf(0, 1) - placeOf(0, 2) <= 3);
});

test("a log axis puts decades at equal distances", () => {
  const { placeOf } = laidOf();
  assert.ok(Math.abs(placeOf(1, 1) - 200) < 1e-6);
  assert.ok(Math.abs(placeOf(1, 2)) < 1e-6);
  assert.ok(Math.abs(placeOf(1, 3) - 200 / 3) < 1e-6);
});

test("a parameter that is not set ends at a stop below its axis", () => {
  const { axes, placeOf } = laidOf();
  assert.ok(axes[2].unsetAt > axes[2].start);
  assert.equal(placeOf(2, 2), axes[2].unsetAt);
  assert.ok(placeOf(2, 1) <= axes[2].start);
  assert.equal(axes[1].unsetAt, null);
});

test("the better end of the objective is up for both goals", () => {
  for (const goal of ["maximize", "minimize"]) {
    const { placeOf } = laidOf({ goal });
    const [best, worst] = goal === "maximize" ? [2, 1] : [1, 2];
    assert.ok(placeOf(3, best) < placeOf(3, worst));
  }
});

test("whole numbers that are few are bands, too", () => {
  const space = [{ name: "layers", kind: "number", integer: true, low: 1, high: 4 }];
  const trials = [1, 2, 3].map((number) => trial(number, number / 10, { layers: 2 }));
  const { placeOf } = laidOf({ space, trials });
  assert.equal(new Set([1, 2, 3].map((number) => placeOf(0, number))).size, 3);
});

test("a line runs from one place to the other and is steepest in the middle", () => {
  assert.ok(Math.abs(blend(0)) < 1e-6);
  assert.ok(Math.abs(blend(1) - 1) < 1e-6);
  assert.ok(Math.abs(blend(0.5) - 0.5) < 1e-6);
});

test("the line under the pointer is found, and none where there is none", () => {
  const { columns, axes } = laidOf();
  const row = columns.rowOf.get(3);
  const along = (axes[0].places[row] + axes[1].places[row]) / 2;
  assert.equal(nearestLine(axes, columns.drawn, 50, along), row);
  assert.equal(nearestLine(axes, columns.drawn, 50, -80), -1);
  assert.equal(nearestLine(axes, columns.drawn, -20, along), -1);
  assert.equal(axisNear(axes, 108), 1);
  assert.equal(axisNear(axes, 150), -1);
});

test("choices may be lists, equal when they read the same", () => {
  const space = [{ name: "layers", kind: "choice", values: [[64], [64, 32]] }];
  const trials = [trial(1, 0.5, { layers: [64] }), trial(2, 0.6, { layers: [64, 32] }), trial(3, 0.7, { layers: [64] })];
  const { axes, placeOf } = laidOf({ space, trials });
  assert.ok(Math.abs(placeOf(0, 1) - 150) < 5);
  assert.ok(Math.abs(placeOf(0, 3) - 150) < 5);
  assert.equal(placeOf(0, 2), 50);
  assert.deepEqual(axes[0].ticks.map((tick) => tick.text), ["[64]", "[64,32]"]);
});

test("the strongest parameter is beside the objective, a conditional one after its parent", () => {
  const axes = [{ name: "a" }, { name: "b", parent: "c" }, { name: "c" }, { name: "d" }];
  const shares = new Map([["a", 0.5], ["b", 0.1], ["c", 0.3], ["d", 0.05]]);
  assert.deepEqual(axisOrder(axes, { shares }), ["d", "c", "b", "a"]);
  assert.deepEqual(axisOrder(axes, { shares, most: 2 }), ["c", "a"]);
  assert.deepEqual(axisOrder(axes), ["a", "b", "c", "d"]);
  assert.deepEqual(axisOrder(axes, { asked: ["d", "x", "a"] }), ["d", "a"]);
  assert.deepEqual(movedTo(["a", "b", "c"], "a", 1), ["b", "a", "c"]);
  assert.deepEqual(movedTo(["a", "b", "c"], "a", 9), ["b", "c", "a"]);
});

test("density counts each line once in each column, in 10 steps of the logarithm", () => {
  const counts = lineCounts([0, 1, 2], [1, 1, 5], [1, 1, 5], { columns: 4, rows: 8 });
  assert.deepEqual([...counts.slice(0, 8)], [0, 2, 0, 0, 0, 1, 0, 0]);
  assert.equal(counts.reduce((sum, each) => sum + each), 12);
  const weighted = pointCounts([0, 1], [1, 1], [2, 2], { columns: 2, rows: 4, weights: [5, 1] });
  assert.equal(weighted[1 * 4 + 2], 6);
  const range = rangeOf(Float32Array.of(0, 1, 10, 1000));
  assert.deepEqual(range, { little: 1, most: 1000 });
  const scale = { little: range.little, perStep: 9 / Math.log(range.most / range.little) };
  assert.deepEqual([0, 1, 10, 1000].map((count) => stepOf(count, scale)), [0, 1, 4, 10]);
});
