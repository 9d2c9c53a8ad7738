import assert from "node:assert/strict";
import { test } from "node:test";

import { barModel, byField, shownProblems, stepState } from "../../static/js/builder/problems.js";

const problems = ["seed", "command", "row-1-low", "row-1-high", "timeout"].map((field, index) => ({
  field,
  anchor: `#${field}`,
  label: field,
  section: index + 1,
}));

test("before the form was sent only touched fields show their problems", () => {
  assert.deepEqual(shownProblems(problems, new Set(["seed"]), false), [problems[0]]);
  assert.equal(shownProblems(problems, new Set(), true).length, 5);
});

test("the problems of one field are together", () => {
  const twice = [...problems, problems[2]];
  assert.deepEqual(byField(twice).get("row-1-low"), [problems[2], problems[2]]);
});

test("the bar counts all and links to the first four", () => {
  assert.equal(barModel(problems).text, "5 problems:");
  assert.equal(barModel(problems).links.length, 4);
  assert.equal(barModel(problems).more, 1);
  assert.equal(barModel(problems.slice(0, 1)).text, "1 problem:");
  assert.equal(barModel([]).count, 0);
});

test("a part is wrong, done, or open while its problem is not shown yet", () => {
  assert.equal(stepState(1, problems, [problems[0]]), "wrong");
  assert.equal(stepState(2, problems, [problems[0]]), "open");
  assert.equal(stepState(9, problems, []), "done");
});
