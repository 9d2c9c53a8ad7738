// The pure parts of linked charts; Chart.js is not needed for them.
import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.Chart = { DatasetController: class {}, register() {} };
const { bestTable, leaderRows, placesOf } = await import("../../static/js/charts/best.js");
const { anchorOf, edgeAt, sliderWords } = await import("../../static/js/charts/brushing.js");
const { bandOf, segmentsAt } = await import("../../static/js/charts/contour_lines.js");
const { parameterAxis, valueAxis } = await import("../../static/js/charts/data/axes.js");
const { columnsOfModel } = await import("../../static/js/charts/data/columns.js");
const { maskOf, readConditions } = await import("../../static/js/charts/data/conditions.js");
const { linesWords, pick, pointsWords } = await import("../../static/js/charts/drawn_words.js");
const { durationWords, frontOf } = await import("../../static/js/charts/duration_value.js");
const { sharesBelow, stepsOf } = await import("../../static/js/charts/edf.js");
const { strengths } = await import("../../static/js/charts/ends.js");
const { curvesModel, missingNumbers } = await import("../../static/js/charts/learning.js");
const { nearestPoint, pointsOf, rowsOf } = await import("../../static/js/charts/plot_points.js");
const { boundsOf, medianWords } = await import("../../static/js/charts/selection_bar.js");
const { shownNames } = await import("../../static/js/charts/slices.js");
const { moved, timeTicks, zoomed } = await import("../../static/js/charts/timeline.js");

const SPACE = [
  { name: "lr", kind: "number", log: true, low: 1e-4, high: 1 },
  { name: "opt", kind: "choice", values: ["sgd", "adam", [1, 2]] },
];
const trial = (number, value, state = "completed", params = { lr: 0.01, opt: "sgd" }) => ({
  id: number + 100, number, value, state, best: false, params, reports: 3,
});
function columnsOf(trials, { goal = "maximize", total = trials.length } = {}) {
  const columns = columnsOfModel({ objective: { metric: "acc", goal }, space: SPACE, trials, total });
  return { ...columns, took: Float64Array.from(columns.number, (_, row) => 10 * (row + 1)) };
}
const many = (count) => columnsOf(Array.from({ length: count }, (_, k) => trial(k, k / count)));

test("the best so far only ever improves; failed and running trials do not count", () => {
  const trials = [trial(0, 0.5), trial(1, 0.9, "failed"), trial(2, 0.8, "running"), trial(3, 0.6, "terminated"), trial(4, 0.4)];
  const columns = columnsOf(trials, { total: 40 });
  assert.deepEqual(leaderRows(columns), [0, 3]);
  assert.deepEqual(leaderRows(columnsOf(trials, { goal: "minimize" })), [0, 4]);
  assert.deepEqual(bestTable(columns).rows.map((row) => row[0]), [0, 3]);
  assert.deepEqual(placesOf(columns), { last: 4, end: 39, left: 35 });
});

test("trials without a value and failed ones are on the floor, and no longer ranked", () => {
  const columns = columnsOf([trial(0, 0.5), trial(1, 0.9, "failed"), trial(2, null, "queued")]);
  const axes = { x: parameterAxis(columns.axes[0]), y: { ...valueAxis(columns), floor: -7 } };
  const points = pointsOf(columns, axes);
  assert.equal(points.ys[1], -7);
  assert.deepEqual(rowsOf(columns, points), [0, 1]);
  assert.equal(nearestPoint([0, 1], [5, 50], [5, 50], 6, 6), 0);
  assert.equal(nearestPoint([0, 1], [5, 50], [5, 50], 25, 25), -1);
});

test("handles are found, and a drag at one keeps the other end", () => {
  assert.equal(edgeAt([10, 90], 87), 1);
  assert.equal(edgeAt([10, 90], 50), -1);
  assert.equal(edgeAt(null, 50), -1);
  assert.equal(anchorOf([10, 90], 12), 90);
  assert.equal(anchorOf([10, 90], 50), 50);
});

test("a brush is said in words to screen readers", () => {
  const axis = parameterAxis(columnsOf([trial(0, 1)]).axes[0]);
  assert.equal(sliderWords(axis, [-3, -2]), "0.001 to 0.01");
  assert.equal(sliderWords(axis, [-2, axis.max]), "from 0.01");
  assert.equal(sliderWords(axis, null), "all");
});

test("each chart says what it draws, at any number of trials", () => {
  const few = columnsOf([trial(0, 0.5), trial(1, 0.6), trial(2, null, "failed")]);
  assert.equal(linesWords(few, null), "Lines: 2 trials with a value by rank, the best on top. 1 failed trial is not drawn.");
  assert.equal(
    linesWords(few, maskOf(few, readConditions("acc >= 0.6"))),
    "Lines: the 1 selected by rank, the best on top; the other 1 trial with a value: grey. 1 failed trial is not drawn.",
  );
  const columns = many(1000);
  assert.equal(linesWords(columns, null), "Density of all 1,000 trials with a value; lines for the best 100 by rank.");
  assert.match(pointsWords(columns, maskOf(columns, readConditions("acc >= 0.5"))), /^Blue: density of the 500 selected, marks for their best 100/);
  assert.equal(pick(columns.drawn, maskOf(columns, readConditions("acc >= 0.9"))).lines.length, 100);
});

test("a sample says so", () => {
  const columns = { ...many(400), sample: { of: 100000 }, sentence: "A sample of 20,000 of 100,000 trials." };
  assert.match(linesWords(columns, null), /A sample of 20,000 of 100,000 trials\./);
  assert.match(pointsWords(columns, null), /A sample of 20,000 of 100,000 trials\./);
});

test("the Pareto front holds what nothing else beats in both", () => {
  const columns = columnsOf([trial(0, 0.5), trial(1, 0.4), trial(2, 0.9), trial(3, 0.8)]);
  assert.deepEqual(frontOf(columns), [0, 2]);
  assert.match(durationWords(columns), /Pareto front, 2 trials/);
  assert.deepEqual(frontOf({ ...columns, goal: "minimize" }), [0, 1]);
});

test("the distribution ends at 100 % and knows each trial's share", () => {
  const columns = columnsOf([trial(0, 0.5), trial(1, 0.9), trial(2, 0.7), trial(3, 0.6, "failed")]);
  assert.deepEqual(stepsOf(columns), [[0.5, 1 / 3], [0.7, 2 / 3], [0.9, 1]]);
  const shares = sharesBelow(columns);
  assert.equal(shares[1], 1);
  assert.ok(Number.isNaN(shares[3]));
});

test("lines of equal value cross between the cells, and stop where nothing is known", () => {
  const segments = segmentsAt(0.5, [0, 1, 0, 1], 2, 2);
  assert.deepEqual(segments, [[[1, 0.5], [1, 1.5]]]);
  assert.deepEqual(segmentsAt(0.5, [0, 1, 0, null], 2, 2), []);
  assert.equal(bandOf(0.85, [0.8, 0.9]), 1);
});

test("reasons of one state are told apart by strength", () => {
  assert.deepEqual(strengths([{ state: "failed" }, { state: "completed" }, { state: "failed" }]), [1, 1, 0.75]);
});

test("the most important slices are shown, or those asked for", () => {
  const axes = ["a", "b", "c"].map((name) => ({ name }));
  assert.deepEqual(shownNames(axes, { shares: new Map([["c", 0.5], ["a", 0.1]]), most: 2 }), ["c", "a"]);
  assert.deepEqual(shownNames(axes, { asked: ["b", "x"] }), ["b"]);
});

test("the timeline zooms about a place, and stays inside its time", () => {
  assert.deepEqual(zoomed([0, 100], [0, 100], 0.5, 50), [25, 75]);
  assert.deepEqual(zoomed([25, 75], [0, 100], 4, 50), [0, 100]);
  assert.deepEqual(moved([25, 75], [0, 100], 50), [50, 100]);
  const { step, ticks } = timeTicks(0, 3600, 720);
  assert.equal(step, 600);
  assert.equal(ticks.length, 7);
});

test("a region becomes ranges of the builder, other conditions are left out", () => {
  const columns = columnsOf([trial(0, 0.5)]);
  const conditions = readConditions('lr >= 0.001 and lr <= 0.01 and opt in (adam, "[1,2]") and took <= 60');
  assert.deepEqual(boundsOf(columns, conditions), ["lr:0.001..0.01", 'opt:["adam",[1,2]]']);
  assert.deepEqual(boundsOf(columns, readConditions("lr <= 0.5")), ["lr:..0.5"]);
});

test("the bar compares inside with outside", () => {
  const columns = columnsOf([trial(0, 0.5), trial(1, 0.9), trial(2, 0.7)]);
  assert.equal(medianWords(columns, Uint8Array.of(0, 1, 1)), "median 0.8000 against 0.5000 outside");
  assert.equal(medianWords(columns, Uint8Array.of(0, 0, 0)), "none has a value");
});

test("curves of selected trials are fetched if they are few and not there", () => {
  const columns = columnsOf([trial(0, 0.5), trial(1, 0.9)]);
  const model = curvesModel(columns, { numbers: [1, 7], points: [[[1, 0.9]], [[1, 0.1]]] });
  assert.deepEqual(model.trials.map(({ number }) => number), [1]);
  assert.deepEqual(missingNumbers(columns, Uint8Array.of(1, 1), new Set([1])), [0]);
  assert.deepEqual(missingNumbers(many(100), new Uint8Array(100).fill(1), new Set()), []);
});
