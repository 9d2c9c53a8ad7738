import assert from "node:assert/strict";
import { test } from "node:test";

import { nextTab } from "../../static/js/tabs.js";

test("arrows go round the tabs, Home and End to the ends", () => {
  assert.equal(nextTab("ArrowRight", 2, 3), 0);
  assert.equal(nextTab("ArrowLeft", 0, 3), 2);
  assert.equal(nextTab("Home", 2, 3), 0);
  assert.equal(nextTab("End", 0, 3), 2);
});

test("other keys are left alone", () => {
  assert.equal(nextTab("Enter", 0, 3), null);
});
