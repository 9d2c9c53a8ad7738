import assert from "node:assert/strict";
import test from "node:test";

import { pathOf } from "../../static/js/mlflow_links.js";

test("links that MLflow's clients print lead to the pages here", () => {
  const run = "0".repeat(30) + "2a";
  assert.equal(pathOf(`#/experiments/2/runs/${run}`), "/trials/42/");
  assert.equal(pathOf(`#/experiments/2/runs/${run}/artifacts`), "/trials/42/");
  assert.equal(pathOf("#/experiments/17"), "/experiments/17/");
});

test("other fragments stay", () => {
  for (const fragment of ["", "#log", "#/experiments/x", "#experiments/2"]) {
    assert.equal(pathOf(fragment), null);
  }
});
