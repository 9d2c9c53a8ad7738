import assert from "node:assert/strict";
import { test } from "node:test";

import {
  canStretch,
  domainOf,
  logTicks,
  makeScale,
  preferredKind,
  roundTicks,
  stretch,
  stretchedTicks,
  tickText,
  unstretch,
  wholeTicks,
} from "../../static/js/scales.js";

test("the stretched axis is minus the logarithm of the distance to the ideal end", () => {
  assert.ok(Math.abs(stretch(0.9, "maximize") - 1) < 1e-9);
  assert.ok(Math.abs(stretch(0.01, "minimize") - 2) < 1e-9);
});

test("values within 0.002 of the ideal end share one place", () => {
  assert.equal(stretch(1, "maximize"), stretch(0.999, "maximize"));
  assert.equal(stretch(0, "minimize"), stretch(0.001, "minimize"));
});

test("the stretched axis can be read back", () => {
  for (const goal of ["maximize", "minimize"]) {
    assert.ok(Math.abs(unstretch(stretch(0.73, goal), goal) - 0.73) < 1e-9);
  }
});

test("better is further along on every kind of axis", () => {
  for (const kind of ["stretched", "log", "linear"]) {
    const more = makeScale(kind, [0.1, 0.9], "maximize");
    const less = makeScale(kind, [0.1, 0.9], "minimize");
    assert.ok(more.forward(0.8) > more.forward(0.2), kind);
    assert.ok(less.forward(0.2) > less.forward(0.8), kind);
    assert.ok(Math.abs(less.inverse(less.forward(0.3)) - 0.3) < 1e-9, kind);
  }
});

test("stretched ticks are the plain numbers", () => {
  assert.deepEqual(stretchedTicks(0.15, 0.975, "maximize", 0.19), [0.2, 0.5, 0.8, 0.9, 0.95, 0.97]);
});

test("stretched ticks keep their distance", () => {
  const ticks = stretchedTicks(0, 0.998, "maximize", 0.25).map((value) => stretch(value, "maximize"));
  ticks.slice(1).forEach((at, k) => assert.ok(at - ticks[k] >= 0.25 - 1e-9));
});

test("a stretched axis that reaches the ideal end writes it there", () => {
  const ticks = stretchedTicks(0, 0.5, "minimize", 0.25);
  assert.equal(ticks[0], 0);
  assert.ok(!ticks.includes(0.002));
  assert.equal(stretchedTicks(0.2, 1, "maximize", 0.25).at(-1), 1);
});

test("a narrow stretched axis falls back on round numbers", () => {
  const ticks = makeScale("stretched", [0.912, 0.918], "maximize").ticks(200);
  assert.ok(ticks.length >= 3);
  assert.ok(ticks.every((value) => value >= 0.912 && value <= 0.918));
});

test("round ticks step by one, two or five", () => {
  assert.deepEqual(roundTicks(0.5, 2.5, 5), [0.5, 1, 1.5, 2, 2.5]);
  assert.deepEqual(roundTicks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(roundTicks(3, 3), [3]);
});

test("whole ticks start at the first report and go on in round numbers", () => {
  assert.deepEqual(wholeTicks(1, 30, 7), [1, 5, 10, 15, 20, 25, 30]);
  assert.deepEqual(wholeTicks(1, 4, 7), [1, 2, 3, 4]);
  assert.deepEqual(wholeTicks(1, 15, 7), [1, 3, 5, 7, 9, 11, 13, 15]);
  assert.deepEqual(wholeTicks(1, 40, 4), [1, 10, 20, 30, 40]);
});

test("log ticks are decades, finer where there are few", () => {
  assert.deepEqual(logTicks(1e-4, 0.1, 5), [0.0001, 0.001, 0.01, 0.1]);
  assert.deepEqual(logTicks(0.1, 2, 5), [0.1, 0.2, 0.5, 1, 2]);
});

test("a log axis that reaches zero is drawn as a linear one", () => {
  assert.equal(makeScale("log", [0, 10]).kind, "linear");
});

test("ticks are written without needless zeros", () => {
  assert.equal(tickText(0.5), "0.5");
  assert.equal(tickText(0.00001), "1e−5");
  assert.equal(tickText(2e6), "2e6");
  assert.equal(tickText(-2), "−2");
});

test("only metrics between 0 and 1 are stretched", () => {
  assert.ok(canStretch([0, 0.4, 1]));
  assert.ok(!canStretch([0.4, 1.2]));
  assert.ok(!canStretch([null]));
  assert.equal(preferredKind([0.2, 0.9]), "stretched");
  assert.equal(preferredKind([3, 0.02], "minimize"), "log");
  assert.equal(preferredKind([-3, 2], "minimize"), "linear");
});

test("an outlier at the bad end does not squeeze the rest", () => {
  const values = [...Array.from({ length: 99 }, (_, k) => 1 + k / 100), 900];
  const [low, high] = domainOf(values, { goal: "minimize" });
  assert.equal(low, 1);
  assert.ok(high < 4);
});

test("what must be seen stays on the axis", () => {
  const values = [...Array.from({ length: 99 }, (_, k) => 1 + k / 100), 900];
  assert.equal(domainOf(values, { goal: "minimize", musts: [900, null] })[1], 900);
});

test("a domain always has a width", () => {
  assert.deepEqual(domainOf([]), [0, 1]);
  const [low, high] = domainOf([5, 5]);
  assert.ok(low < 5 && high > 5);
});
