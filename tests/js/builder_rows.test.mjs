import assert from "node:assert/strict";
import { test } from "node:test";

import { chosen, innerPath, isNoise } from "../../static/js/builder/files.js";
import { followRows, movedIndex, renumbered, fieldStates } from "../../static/js/builder/rows.js";

test("a row's attributes get its new number, other texts stay", () => {
  assert.equal(renumbered("row-3-low", 12), "row-12-low");
  assert.equal(renumbered("row-__row__-problems", 0), "row-0-problems");
  assert.equal(renumbered("row-3", 1), "row-1");
  assert.equal(renumbered("up:3", 2), "up:2");
  assert.equal(renumbered("plain:3", 2), "plain:2");
  assert.equal(renumbered("row-3-problems help-3", 1), "row-1-problems help-3");
  assert.equal(renumbered("narrow-3-x", 1), "narrow-3-x");
});

test("a kind shows its fields; hidden ones that hold a text are still sent", () => {
  const kind = { fields: { low: "min", high: "max" } };
  const states = fieldStates(["low", "high", "values", "mu"], kind, { low: "", high: "1", values: "a", mu: "" });
  assert.deepEqual(states.map((state) => state.used), [true, true, false, false]);
  assert.deepEqual(states.map((state) => state.disabled), [false, false, false, true]);
  assert.equal(states[0].label, "min");
});

test("probabilities show beside values only when there are some", () => {
  const kind = { fields: { values: "values" } };
  const used = (text) => fieldStates(["probabilities"], kind, { probabilities: text })[0].used;
  assert.equal(used(""), false);
  assert.equal(used("0.5, 0.5"), true);
});

test("rows move within the list only", () => {
  assert.equal(movedIndex(0, -1, 3), null);
  assert.equal(movedIndex(2, 1, 3), null);
  assert.equal(movedIndex(1, 1, 3), 2);
});

test("touched fields follow their row, those of a removed row are forgotten", () => {
  const touched = new Set(["seed", "row-0-low", "row-1-high", "row-2-name"]);
  const moved = followRows(touched, [2, 0]);
  assert.deepEqual([...moved].sort(), ["row-0-name", "row-1-low", "seed"]);
});

test("of a folder the code is sent, with paths inside the folder", () => {
  const files = [
    { name: "train.py", webkitRelativePath: "src/train.py" },
    { name: "x.pyc", webkitRelativePath: "src/__pycache__/x.pyc" },
    { name: "config", webkitRelativePath: "src/.git/config" },
    { name: "a.py", webkitRelativePath: "" },
  ];
  assert.deepEqual(chosen(files).map(({ path }) => path), ["train.py", "a.py"]);
  assert.equal(innerPath("src/lib/a.py", "a.py"), "lib/a.py");
  assert.equal(isNoise("lib/.github/x.yml"), false);
});
