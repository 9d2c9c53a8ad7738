import assert from "node:assert/strict";
import { test } from "node:test";

import { overlaps, placeLabels, spread, thin } from "../../static/js/charts/labels.js";

const AREA = { left: 0, right: 200, top: 0, bottom: 100 };
const label = (name, x, y) => ({ name, x, y, width: 20, height: 14 });

test("a label stands right of its point where there is room", () => {
  const [placed] = placeLabels([label("a", 50, 50)], AREA);
  assert.ok(placed.box.x > 50);
  assert.equal(placed.box.y, 43);
});

test("at the right edge a label goes to the left of its point", () => {
  const [placed] = placeLabels([label("a", 195, 50)], AREA);
  assert.ok(placed.box.x + placed.box.width < 195);
});

test("labels never overlap, and the less important are dropped", () => {
  const crowd = Array.from({ length: 12 }, (_, k) => label(String(k), 50, 50));
  const placed = placeLabels(crowd, AREA);
  assert.equal(placed[0].name, "0");
  assert.ok(placed.length > 0 && placed.length < crowd.length);
  placed.forEach((a, k) => {
    for (const b of placed.slice(k + 1)) assert.ok(!overlaps(a.box, b.box));
  });
});

test("a label keeps off places that are taken", () => {
  const taken = [{ x: 55, y: 30, width: 40, height: 40 }];
  const [placed] = placeLabels([label("a", 50, 50)], AREA, taken);
  assert.ok(!overlaps(placed.box, taken[0]));
});

test("a column of labels is moved apart and stays inside", () => {
  const moved = spread([50, 51, 52], 15, 0, 60);
  const sorted = [...moved].sort((a, b) => a - b);
  assert.ok(sorted[1] - sorted[0] >= 15 && sorted[2] - sorted[1] >= 15);
  assert.ok(sorted[2] <= 60);
  assert.deepEqual(moved, sorted);
});

test("labels far apart are left where they are", () => {
  assert.deepEqual(spread([80, 20], 15, 0, 100), [80, 20]);
});

test("ticks make room for one another and for what must stay", () => {
  const ticks = [{ at: 0 }, { at: 10 }, { at: 30 }, { at: 62 }];
  assert.deepEqual(thin(ticks, 15, [60]).map((tick) => tick.at), [0, 30]);
});
