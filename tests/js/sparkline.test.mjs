import assert from "node:assert/strict";
import { test } from "node:test";

import { HEIGHT, WIDTH, sharedScale, sparkPath } from "../../static/js/sparkline.js";

const LONG = Array.from({ length: 30 }, (_, k) => [k + 1, 0.5 + k / 100]);
const SHORT = [[1, 0.4], [2, 0.45]];

test("all rows share one scale, so a short curve ends early", () => {
  const shared = sharedScale([LONG, SHORT]);
  const [long] = sparkPath(LONG, shared).end;
  const [short] = sparkPath(SHORT, shared).end;
  assert.ok(short < long / 4);
});

test("a curve stays inside its picture", () => {
  const shared = sharedScale([LONG, SHORT]);
  for (const points of [LONG, SHORT]) {
    const [x, y] = sparkPath(points, shared).end;
    assert.ok(x >= 0 && x <= WIDTH && y >= 0 && y <= HEIGHT);
  }
});

test("reports that are not finite are passed over", () => {
  const { path, end } = sparkPath([[1, null], [2, 0.5], [3, null]], sharedScale([LONG]));
  assert.equal(path.match(/[ML]/g).length, 1);
  assert.ok(end);
});

test("without a finite value there is nothing to draw", () => {
  const shared = sharedScale([[[1, null]]]);
  assert.deepEqual(sparkPath([[1, null]], shared), { path: "", end: null });
});

test("a lower loss is drawn higher", () => {
  const points = [[1, 0.9], [2, 0.1]];
  const shared = sharedScale([points], { goal: "minimize" });
  const start = Number(sparkPath(points.slice(0, 1), shared).end[1]);
  assert.ok(sparkPath(points, shared).end[1] < start);
});
