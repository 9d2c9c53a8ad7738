// The trade-off chart needs Chart.js only to draw; its pure parts are tested here.
import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.Chart = { DatasetController: class {}, register() {} };
const { drawnFamilies, spans, tradeOffTable } = await import("../../static/js/charts/trade_off.js");

const point = (saved, places, more = {}) => ({ words: "from report 5", saved, places, regret: places / 100, ended: 3, current: false, ...more });
const model = {
  metric: "auc",
  happened: { saved: 0.1, name: "what happened" },
  families: [
    { name: "Median stopping", own: true, points: [point(0.3, 0, { current: true }), point(0.5, 2.5)] },
    { name: "Bandit", own: false, points: [] },
  ],
};

test("the axes hold every point and what happened, and begin at nothing", () => {
  const { saved, lost } = spans(model, "places");
  assert.ok(saved >= 0.5 && saved <= 1);
  assert.equal(lost, 2.5);
  assert.equal(spans(model, "regret").lost, 0.025);
});

test("where nothing is lost the axis has a length all the same", () => {
  const lossless = { ...model, families: [{ ...model.families[0], points: [point(0.3, 0)] }] };
  assert.ok(spans(lossless, "places").lost > 0);
  assert.ok(spans({ ...model, families: [] }, "regret").lost > 0);
});

test("a family without points is not drawn", () => {
  assert.deepEqual(drawnFamilies(model).map(({ name }) => name), ["Median stopping"]);
});

test("the table has a row for each setting and marks one's own", () => {
  const { rows, columns } = tradeOffTable(model);
  assert.equal(rows.length, 2);
  assert.ok(rows.every((row) => row.length === columns.length));
  assert.equal(rows[0][1], "from report 5 (your setting)");
  assert.equal(rows[0][2], "30.00 %".replace("30.00", rows[0][2].split(" ")[0]));
});
