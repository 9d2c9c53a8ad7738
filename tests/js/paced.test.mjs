// Costly drawings of a live page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { paced } from "../../static/js/charts/data/paced.js";

// Runs that cost this much, and the waits that were asked for.
function setUp(costs) {
  const waits = [];
  let runs = 0;
  const ask = paced(async () => {
    runs += 1;
    const cost = costs[runs - 1];
    if (cost instanceof Error) throw cost;
    return cost;
  }, { wait: (over, ms) => waits.push({ over, ms }) });
  return { ask, waits, runs: () => runs };
}

const settled = () => new Promise((resolve) => { setTimeout(resolve); });

test("a costly run rests, and what was asked meanwhile is one run", async () => {
  const { ask, waits, runs } = setUp([100, 5, 5]);
  ask();
  ask();
  await settled();
  ask();
  assert.equal(runs(), 1);
  assert.equal(waits[0].ms, 3000);
  waits[0].over();
  await settled();
  assert.equal(runs(), 2);
  waits[1].over();
  await settled();
  assert.equal(runs(), 2);
  ask();
  assert.equal(runs(), 3);
});

test("nothing rests longer than ten seconds, and a failed run may be tried again", async () => {
  const { ask, waits, runs } = setUp([60_000, new Error("gone"), 1]);
  ask();
  await settled();
  assert.equal(waits[0].ms, 10_000);
  waits[0].over();
  ask();
  await settled();
  waits[1].over();
  ask();
  assert.equal(runs(), 3);
});
