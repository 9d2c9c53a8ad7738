import assert from "node:assert/strict";
import { test } from "node:test";

import { hiddenStates } from "../../static/js/charts/picked.js";

test("states that the URL's list leaves out are hidden", () => {
  assert.deepEqual(hiddenStates("running,failed", ["completed", "running", "failed"]), ["completed"]);
  assert.deepEqual(hiddenStates("", ["completed"]), ["completed"]);
});

test("without a list nothing is hidden", () => {
  assert.deepEqual(hiddenStates(null, ["completed", "running"]), []);
});
