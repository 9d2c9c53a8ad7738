import assert from "node:assert/strict";
import test from "node:test";

globalThis.document ??= { querySelectorAll: () => [] };
const { chosen, endOf, matches } = await import("../../static/js/pages/log.js");

test("the exact words are found, in any case", () => {
  assert.ok(matches("Epoch 3: loss=0.5", "epoch 3"));
  assert.ok(!matches("epoch 4 of 30", "epoch 3"));
  assert.ok(!matches("epoch 30", "epoch 3"));
  assert.ok(!matches("step 13", "3"));
  assert.ok(matches("a.b (c)", "a.b (c)"));
  assert.ok(!matches("axb", "a.b"));
  assert.ok(matches("anything", "  "));
});

test("another search forgets the place in the log", () => {
  const form = new Map([["find", "loss"], ["times", "1"]]);
  assert.equal(chosen("?metric=x&find=old&match=3", form), "metric=x&find=loss&times=1");
  assert.equal(chosen("?find=loss&match=3&wrap=1", form), "find=loss&match=3&times=1");
});

test("the first line at the end is whole", () => {
  assert.equal(endOf({ scrollHeight: 1818, clientHeight: 381 }) % 18, 0);
  assert.equal(endOf({ scrollHeight: 100, clientHeight: 396 }), 0);
});
