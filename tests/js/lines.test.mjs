// Charts of plain lines need Chart.js only to draw; their pure parts are tested with an
// empty stand-in for the browser's global.
import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.Chart = { DatasetController: class {}, register() {} };
const { columnFor, columnsOf, shortened } = await import("../../static/js/charts/end_words.js");
const { nearestPlace, span } = await import("../../static/js/charts/line_frame.js");
const { chosen, linesTable, smoothed, valueAt } = await import("../../static/js/charts/lines.js");
const { valuesAt } = await import("../../static/js/charts/threshold.js");

const measure = (text) => text.length * 7;

test("a name that does not fit is shortened, and keeps the end that tells it apart", () => {
  assert.equal(shortened("digits-3", 100, measure), "digits-3");
  const short = shortened("a very long experiment-12", 70, measure);
  assert.ok(short.startsWith("a v") && short.endsWith("-12") && short.includes("…"));
  assert.ok(measure(short) <= 70);
});

test("names take less room beside lines on a phone than on a wide screen", () => {
  const names = ["x".repeat(60)];
  assert.ok(columnFor(names, 360, measure) < 110);
  assert.ok(columnFor(names, 360, measure) < columnFor(names, 900, measure));
  assert.ok(columnFor(["ab"], 900, measure) < 60);
});

test("only labels above one another make room for each other", () => {
  const [short, long, other] = [[40, 90], [400, 480], [410, 470]].map(([left, right]) => ({ left, right }));
  assert.deepEqual(columnsOf([long, short, other]), [[short], [long, other]]);
  assert.deepEqual(columnsOf([]), []);
});

test("the x axis starts where the model says, else at the first point", () => {
  const lists = [[[3, 1], [8, 2]]];
  assert.deepEqual(span(lists), [3, 8]);
  assert.deepEqual(span(lists, 0), [0, 8]);
  assert.deepEqual(span([], 0), [0, 1]);
  assert.deepEqual(span([[[5, 1]]]), [5, 6]);
});

test("the place nearest to the pointer is found", () => {
  assert.equal(nearestPlace([1, 2, 5], 4), 5);
  assert.equal(nearestPlace([1, 2, 5], -3), 1);
  assert.equal(nearestPlace([], 4), null);
});

test("a stair holds its value until the next corner, a plain line does not", () => {
  const stair = [[1, 0.5], [4, 0.5], [4, 0.8], [9, 0.8]];
  assert.equal(valueAt(stair, 0.5), null);
  assert.equal(valueAt(stair, 3), 0.5);
  assert.equal(valueAt(stair, 4), 0.8);
  assert.equal(valueAt(stair, 10), null);
  assert.equal(valueAt([[1, 0.5], [3, 0.7]], 2), null);
});

test("at a report stand only those values that there are", () => {
  const model = { reports: [[1, null], [2, 0.4]], best: [[2, 0.4]], threshold: [[2, 0.6]] };
  assert.deepEqual(valuesAt(model, 1), []);
  assert.deepEqual(valuesAt(model, 2).map((each) => each.name), ["reported", "own best", "threshold"]);
});

test("the table of lines has a row for each place", () => {
  const table = linesTable({ xLabel: "step", series: [{ name: "loss", points: [[2, 0.5], [1, 1]] }] });
  assert.deepEqual(table.rows, [["1", "1.000"], ["2", "0.5000"]]);
});

test("smoothing keeps a constant, follows a step and leaves out what is not finite", () => {
  assert.deepEqual(smoothed([[0, 2], [1, 2], [2, 2]], 0.9).map(([, y]) => Math.round(y * 1e6) / 1e6), [2, 2, 2]);
  const [first, second, third] = smoothed([[0, 0], [1, NaN], [2, 1]], 0.5);
  assert.deepEqual([first[1], second[1]], [0, NaN]);
  assert.ok(third[1] > 0.5 && third[1] < 1);
});

test("points are drawn by step or by seconds, and smoothed ones keep the raw line", () => {
  const model = { series: [{ name: "loss", points: [[0, 4, 1.5], [1, 2, 3]] }] };
  assert.deepEqual(chosen({ model })[0].points, model.series[0].points);
  const [timed] = chosen({ model, x: "relative", smooth: "0.5" });
  assert.deepEqual(timed.raw, [[1.5, 4], [3, 2]]);
  assert.deepEqual(timed.points.map(([x]) => x), [1.5, 3]);
});
