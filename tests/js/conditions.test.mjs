import assert from "node:assert/strict";
import { test } from "node:test";

import { columnsOfFeed, columnsOfModel, mergedFeed, trialAt } from "../../static/js/charts/data/columns.js";
import {
  maskOf,
  maskOfNumbers,
  readConditions,
  withCondition,
  writeConditions,
} from "../../static/js/charts/data/conditions.js";
import { createLinked } from "../../static/js/charts/data/linked.js";

const FEED = {
  mark: "1",
  whole: true,
  metric: "accuracy",
  goal: "maximize",
  planned: 6,
  total: 5,
  rows: 5,
  best: 3,
  drawn: "All 5 trials.",
  states: ["queued", "running", "completed", "terminated", "cancelled", "failed"],
  ranked: [2, 3, 4],
  sample: null,
  columns: {
    number: [0, 1, 2, 3, 4],
    id: [10, 11, 12, 13, 14],
    state: [2, 5, 3, 2, 1],
    value: [0.8, 0.99, 0.5, 0.9, 0.7],
    took: [10, 1, 5, 12, null],
  },
  parameters: [
    { name: "lr", kind: "number", log: true, low: 1e-4, high: 1, values: [], cells: [0.001, 0.5, 0.1, 0.01, 0.2] },
    { name: "opt", kind: "choice", values: ["sgd", "adam w"], cells: [0, 1, null, 1, 0] },
    { name: "batch size", kind: "number", low: 1, high: 9, values: [], cells: [1, 2, 3, 4, 5] },
  ],
};
const columns = () => columnsOfFeed(structuredClone(FEED));

test("a brush is written in the filter language and read back", () => {
  const conditions = [
    { field: "lr", low: 0.001, high: 1e-1 },
    { field: "opt", values: ["adam w", "sgd"] },
    { field: "batch size", low: 2 },
    { field: "momentum", unset: true },
    { field: "width", values: [64] },
  ];
  const text = writeConditions(conditions);
  assert.equal(
    text,
    'lr >= 0.001 and lr <= 0.1 and opt in ("adam w", sgd) and `batch size` >= 2 and not_set(momentum) and width = 64',
  );
  assert.deepEqual(readConditions(text), conditions);
});

test("what is not a brush stays as it is written", () => {
  for (const text of ["lr < 0.01", "lr * 2 <= 3 and x = 2 and not failed", "a = 1 or b = 2", 'note contains "a and b"']) {
    assert.equal(writeConditions(readConditions(text)), text);
  }
  assert.deepEqual(readConditions('note contains "a and b"'), [{ text: 'note contains "a and b"' }]);
  assert.deepEqual(readConditions("a = 1 or b = 2"), [{ text: "a = 1 or b = 2" }]);
  assert.deepEqual(readConditions("  "), []);
});

test("an expression with or gets parentheses once something is added", () => {
  const next = withCondition(readConditions("a = 1 or b = 2"), "lr", { field: "lr", high: 1 });
  assert.equal(writeConditions(next), "(a = 1 or b = 2) and lr <= 1");
});

test("a second brush on an axis replaces the first, and null takes it away", () => {
  const first = readConditions("lr <= 1 and opt = sgd");
  assert.equal(writeConditions(withCondition(first, "lr", { field: "lr", low: 2 })), "lr >= 2 and opt = sgd");
  assert.equal(writeConditions(withCondition(first, "lr", null)), "opt = sgd");
});

test("ranges, choices, states and unset values are matched in the browser", () => {
  const rows = (text) => [...maskOf(columns(), readConditions(text))].flatMap((bit, row) => (bit ? [row] : []));
  assert.deepEqual(rows("lr >= 0.01 and lr <= 0.2"), [2, 3, 4]);
  assert.deepEqual(rows('opt = "adam w"'), [1, 3]);
  assert.deepEqual(rows("not_set(opt)"), [2]);
  assert.deepEqual(rows("failed"), [1]);
  assert.deepEqual(rows("state in (completed, running) and took >= 11"), [3]);
  assert.deepEqual(rows("accuracy >= 0.8"), [0, 1, 3]);
  assert.deepEqual(rows("`batch size` <= 2"), [0, 1]);
  assert.equal(maskOf(columns(), readConditions("tag = good")), null);
});

test("ranges of numbers become rows", () => {
  assert.deepEqual([...maskOfNumbers(columns(), "0-1,4")], [1, 1, 0, 0, 1]);
  assert.deepEqual([...maskOfNumbers(columns(), "")], [0, 0, 0, 0, 0]);
});

test("failed and running trials are not ranked", () => {
  const { order, share, best } = columns();
  assert.deepEqual([...order], [3, 0, 2]);
  assert.equal(share[3], 1);
  assert.ok(Number.isNaN(share[1]));
  assert.equal(best, 3);
});

test("changed rows are merged by number, new ones are appended", () => {
  const news = {
    ...structuredClone(FEED),
    whole: false,
    total: 6,
    rows: 2,
    best: 4,
    columns: { number: [4, 5], id: [14, 15], state: [2, 0], value: [0.95, null], took: [9, null] },
    parameters: FEED.parameters.map((each) => ({ ...each, cells: [0.3, null] })),
  };
  const merged = columnsOfFeed(mergedFeed(structuredClone(FEED), news));
  assert.equal(merged.size, 6);
  assert.deepEqual([...merged.number], [0, 1, 2, 3, 4, 5]);
  assert.equal(merged.states[4], "completed");
  assert.equal(merged.axes[0].cells[4], 0.3);
  assert.ok(Number.isNaN(merged.axes[0].cells[5]));
  assert.equal(merged.best, 4);
});

test("the model of the first paint gives the same columns", () => {
  const model = {
    objective: { metric: "accuracy", goal: "maximize" },
    space: [
      { name: "lr", kind: "number", log: true, low: 1e-4, high: 1, values: [] },
      { name: "units", kind: "choice", values: [64, 16] },
    ],
    trials: [
      { id: 2, number: 1, state: "completed", best: true, value: 0.9, params: { lr: 0.1, units: 16 } },
      { id: 1, number: 0, state: "failed", best: false, value: null, params: { lr: 0.2 } },
    ],
  };
  const made = columnsOfModel(model);
  assert.deepEqual([...made.number], [0, 1]);
  assert.deepEqual(made.axes[1].values, [16, 64]);
  assert.deepEqual(trialAt(made, 1), {
    row: 1, id: 2, number: 1, state: "completed", best: true, value: 0.9, params: { lr: 0.1, units: 16 },
  });
  assert.deepEqual(trialAt(made, 0).params, { lr: 0.2 });
});

const linkedFor = (parts) => {
  const queue = [];
  const linked = createLinked({ columns: columns(), soon: (run) => queue.push(run), ...parts });
  return { linked, flush: () => queue.splice(0).forEach((run) => run()) };
};

test("listeners learn of several changes at once", () => {
  const kept = [];
  const { linked, flush } = linkedFor({ keep: (q, step) => kept.push([q, step]) });
  const heard = [];
  linked.subscribe((kinds) => heard.push([...kinds].sort()));
  linked.brush("lr", { field: "lr", low: 0.05 }, { step: false });
  linked.hover(3);
  flush();
  assert.deepEqual(heard, [["hover", "selection"]]);
  assert.equal(linked.count, 3);
  assert.deepEqual(kept, [["lr >= 0.05", false]]);
});

test("what the columns cannot answer is asked of the server, and an error keeps the old result", async () => {
  const answers = { "tag = good": { count: 2, numbers: "0,3" }, "tag =": { error: { message: "A tag is missing." } } };
  const { linked } = linkedFor({ matching: async (q) => answers[q] });
  await linked.setQuery("tag = good");
  assert.deepEqual([...linked.mask], [1, 0, 0, 1, 0]);
  assert.equal(linked.count, 2);
  await linked.setQuery("tag =");
  assert.equal(linked.error.message, "A tag is missing.");
  assert.deepEqual([...linked.mask], [1, 0, 0, 1, 0]);
});

test("a filter that does not hold leaves the conditions and the address", async () => {
  const kept = [];
  const wrong = { message: "There is nothing named nope.", start: 10, end: 14 };
  const { linked } = linkedFor({ keep: (q) => kept.push(q), matching: async () => ({ error: wrong }) });
  linked.setQuery("lr >= 0.05");
  await linked.setQuery("lr < 9 and nope");
  assert.equal(linked.q, "lr >= 0.05");
  assert.deepEqual(linked.conditions, readConditions("lr >= 0.05"));
  assert.deepEqual(kept, ["lr >= 0.05"]);
  linked.update(columns());
  assert.equal(linked.error, wrong);
  linked.setConditions([]);
  assert.equal(linked.error, null);
  const { linked: opened } = linkedFor({ q: "nope", matching: async () => ({ error: wrong }) });
  await new Promise(setImmediate);
  assert.deepEqual([opened.q, opened.conditions, opened.error], ["", [], wrong]);
});

test("a slower answer to an older question is not shown", async () => {
  let release;
  const slow = new Promise((resolve) => { release = resolve; });
  const { linked } = linkedFor({ matching: (q) => (q === "a b" ? slow : Promise.resolve({ count: 1, numbers: "1" })) });
  const first = linked.setQuery("a b");
  await linked.setQuery("c d");
  release({ count: 5, numbers: "0-4" });
  await first;
  assert.equal(linked.count, 1);
});
