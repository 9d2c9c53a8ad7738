// What charts say in words: axes that are turned round, and charts without values.
import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.Chart = { DatasetController: class {}, register() {} };
const { axis } = await import("../../static/js/charts/defaults.js");
const { emptyWords } = await import("../../static/js/charts/live_chart.js");
const { makeScale } = await import("../../static/js/scales.js");

const titleOf = (scale, title) => axis(scale, { title, colors: {} }).title;

test("every axis that is turned round says so in its title, no other one does", () => {
  for (const kind of ["linear", "log", "stretched"]) {
    assert.equal(titleOf(makeScale(kind, [0.1, 1], "minimize")).text, "lower is better, drawn upwards");
    assert.equal(titleOf(makeScale(kind, [0.1, 1], "maximize")).display, false);
  }
  assert.equal(titleOf(makeScale("linear", [0, 1]), "step").text, "step");
});

test("a chart without finite values says why instead of showing axes", () => {
  assert.equal(emptyWords([[], []]), "No values yet.");
  assert.equal(emptyWords([[[1, null]], []], ["loss"]), "No value of loss is a finite number: all are NaN or infinite.");
  assert.equal(emptyWords([[[1, null], [2, 0]]], ["loss"]), "");
});
