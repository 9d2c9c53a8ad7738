import assert from "node:assert/strict";
import { test } from "node:test";

import { chosen, innerPath, isNoise } from "../../static/js/builder/files.js";
import { constraintParts, fieldStates, freeName, movedIndex, numbered, splitValues } from "../../static/js/builder/rows.js";

test("a new row has the next number everywhere", () => {
  assert.equal(numbered('<input name="row-__prefix__-low" id="row-__prefix__-low">', 12), '<input name="row-12-low" id="row-12-low">');
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

test("values are split at commas outside of quotes and brackets", () => {
  assert.deepEqual(splitValues('16, sgd, "a, b", [1, 2], {"k": [3, 4]}'), ["16", "sgd", '"a, b"', "[1, 2]", '{"k": [3, 4]}']);
  assert.deepEqual(splitValues("it's, x"), ["it's", "x"]);
  assert.deepEqual(splitValues(" , "), []);
  assert.equal(splitValues('16, "sgd'), null);
  assert.equal(splitValues("[1, 2"), null);
});

test("a copy has a free name", () => {
  assert.equal(freeName("lr", ["lr"]), "lr_2");
  assert.equal(freeName("lr", ["lr", "lr_2"]), "lr_3");
});

test("a constraint's parts are its whole text", () => {
  const text = 'hidden * net.layers <= 16384 and optimizer != "sgd" or 0.5 < x';
  const parts = constraintParts(text, ["hidden", "net", "x"]);
  assert.equal(parts.map(([, word]) => word).join(""), text);
  const of = (kind) => parts.filter(([each]) => each === kind).map(([, word]) => word);
  assert.deepEqual(of("name"), ["hidden", "net.layers", "x"]);
  assert.deepEqual(of("number"), ["16384", "0.5"]);
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
