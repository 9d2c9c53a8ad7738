// charts/curves.js and its neighbors need Chart.js only to draw; their pure parts are
// tested with an empty stand-in for the browser's global.
import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.Chart = { DatasetController: class {}, register() {} };
const { labelled } = await import("../../static/js/charts/curve_ends.js");
const { curvesTable, pointsOf, smoothed } = await import("../../static/js/charts/curves.js");
const { differences, placeTip } = await import("../../static/js/charts/tooltip.js");
const { rankColor } = await import("../../static/js/charts/viridis.js");

function trial(number, state, extra = {}) {
  return { number, state, best: false, value: 0.5, reports: 5, params: {}, curve: [], ...extra };
}

test("a curve keeps its gaps and follows the chosen horizontal axis", () => {
  const curve = [[1, 0.5, 100, 2.5], [2, null, 200, 5], [3, 0.7, 300, 7.5]];
  assert.deepEqual(pointsOf({ curve }, "report").map((point) => point.x), [1, 2, 3]);
  assert.deepEqual(pointsOf({ curve }, "seconds").map((point) => point.x), [2.5, 5, 7.5]);
  assert.equal(pointsOf({ curve }, "step")[1].y, null);
});

test("smoothing has no bias at its start and keeps gaps", () => {
  const points = [{ x: 1, y: 1 }, { x: 2, y: null }, { x: 3, y: 0 }];
  assert.deepEqual(smoothed(points, 0), points);
  const soft = smoothed(points, 0.5);
  assert.equal(soft[0].y, 1);
  assert.equal(soft[1].y, null);
  assert.ok(Math.abs(soft[2].y - 1 / 3) < 1e-9);
});

test("the best is labelled first, completed trials are not", () => {
  const done = [1, 2, 3, 4, 5].map((number) => trial(number, "completed"));
  const trials = [...done, trial(6, "running"), trial(7, "completed", { best: true })];
  assert.deepEqual(labelled(trials).map((each) => each.number), [7, 6]);
});

test("where there are few curves each of them is named", () => {
  const trials = [trial(1, "completed"), trial(2, "terminated"), trial(3, "completed", { best: true })];
  assert.deepEqual(labelled(trials).map((each) => each.number), [3, 2, 1]);
});

test("of many trials that ended early only the late ones are labelled", () => {
  const early = [1, 2, 3, 4, 5].map((number) => trial(number, "terminated"));
  const late = trial(6, "terminated", { reports: 15 });
  const done = trial(7, "completed");
  assert.deepEqual(labelled([...early, late, done]).map((each) => each.number), [6]);
});

test("a crowd of running trials is not labelled to the last one", () => {
  const crowd = Array.from({ length: 60 }, (_, k) => trial(k + 1, "running"));
  assert.ok(labelled(crowd).length < 20);
});

test("the tooltip names only parameters that differ from the best", () => {
  const best = trial(1, "completed", { params: { a: 1, b: 2, c: 3 } });
  const other = trial(2, "completed", { params: { a: 1, b: 5 } });
  assert.deepEqual(differences(other, best), [
    { name: "b", own: 5, best: 2 },
    { name: "c", own: undefined, best: 3 },
  ]);
});

test("the best trial's own tooltip lists all its parameters", () => {
  const best = trial(1, "completed", { params: { a: 1, b: 2 } });
  assert.deepEqual(differences(best, best).map((row) => row.name), ["a", "b"]);
});

test("the tooltip stays inside the chart", () => {
  const size = { width: 264, height: 100 };
  const frame = { width: 600, height: 250 };
  for (const [x, y] of [[0, 0], [590, 0], [590, 249], [300, 120]]) {
    const at = placeTip({ x, y }, size, frame);
    assert.ok(at.x >= 0 && at.x + size.width <= frame.width);
    assert.ok(at.y >= 0 && at.y + size.height <= frame.height);
  }
});

test("the better end of the ranks contrasts with the ground", () => {
  const light = (color) => color.match(/\d+/g).map(Number).reduce((a, b) => a + b);
  assert.ok(light(rankColor(1, false)) < light(rankColor(0, false)));
  assert.ok(light(rankColor(1, true)) > light(rankColor(0, true)));
});

test("the data table has a row per trial with the state in words", () => {
  const model = { objective: { metric: "accuracy", goal: "maximize" }, trials: [trial(7, "terminated")] };
  assert.deepEqual(curvesTable(model).rows, [[7, "ended early", "0.5000", 5, "–"]]);
});
