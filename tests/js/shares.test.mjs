// The picture of what failed trials share: its pure parts.
import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.Chart = { DatasetController: class {}, register() {} };
const { heights, picked, sharesTable, shortTick } = await import("../../static/js/charts/shares.js");

const bar = (tick, failed, ran) => ({ tick, label: `${tick}!`, failed, ran });
const model = {
  failed: 4,
  ran: 20,
  parameters: [
    { name: "batch", bars: [bar("16", 0, 15), bar("64", 4, 5)] },
    { name: "rate", bars: [bar("0.1", 1, 0)] },
  ],
};

test("the failed stand above the line and the others hang below, each in shares of its own", () => {
  const { failed, ran } = heights(model.parameters[0], model);
  assert.deepEqual(failed, [{ x: 0, y: 0 }, { x: 1, y: 1 }]);
  assert.deepEqual(ran, [{ x: 0, y: -0.75 }, { x: 1, y: -0.25 }]);
  assert.equal(heights(model.parameters[0], { failed: 0, ran: 0 }).failed[1].y, 0);
});

test("the first parameter is drawn where another one is not picked, or is gone", () => {
  assert.equal(picked(model, "rate").name, "rate");
  assert.equal(picked(model, undefined).name, "batch");
  assert.equal(picked(model, "gone").name, "batch");
});

test("the table has every parameter with the whole name of each value", () => {
  const { columns, rows } = sharesTable(model);
  assert.deepEqual(columns, ["parameter", "value", "failed, of 4", "ran, of 20"]);
  assert.deepEqual(rows[1], ["batch", "64!", 4, 5]);
  assert.equal(rows.length, 3);
});

test("long values are cut below the axis", () => {
  assert.equal(shortTick("sgd"), "sgd");
  assert.equal(shortTick("a very long value").length, 14);
});
