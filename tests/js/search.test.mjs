import assert from "node:assert/strict";
import { test } from "node:test";

import { markedParts, nextLine } from "../../static/js/search.js";

test("arrow keys go round", () => {
  assert.equal(nextLine("ArrowDown", -1, 3), 0);
  assert.equal(nextLine("ArrowDown", 2, 3), 0);
  assert.equal(nextLine("ArrowUp", 0, 3), 2);
  assert.equal(nextLine("ArrowUp", 2, 3), 1);
  assert.equal(nextLine("ArrowDown", -1, 0), -1);
});

test("a title is marked where it has a word of the query, whatever the characters", () => {
  assert.deepEqual(markedParts("tabular-Churn-9", "churn"), [["tabular-", false], ["Churn", true], ["-9", false]]);
  assert.deepEqual(markedParts("a.b", "."), [["a", false], [".", true], ["b", false]]);
  assert.deepEqual(markedParts("x", "(["), [["x", false]]);
  assert.deepEqual(markedParts("x", ""), [["x", false]]);
});
