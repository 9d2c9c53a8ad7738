import assert from "node:assert/strict";
import { test } from "node:test";

import { lineRange, pieces } from "../../static/js/builder/yaml.js";

const texts = (line) => pieces(line).map(({ kind, text }) => `${kind}:${text}`);

test("a line's key and its placeholders stand out", () => {
  assert.deepEqual(texts("  command: python ${{search_space.lr}} x"), [
    "text:  ",
    "key:command",
    "text::",
    "text: python ",
    "placeholder:${{search_space.lr}}",
    "text: x",
  ]);
  assert.deepEqual(texts("trial:"), ["key:trial", "text::"]);
  assert.deepEqual(texts("    --lr http://x"), ["text:    --lr http://x"]);
});

test("nothing of a line is lost", () => {
  for (const line of ["", "  a: {b: c}", "<script>: x", "- x: ${{}}", "é: ✓"]) {
    assert.equal(pieces(line).map(({ text }) => text).join(""), line);
  }
});

test("the range of a line in a text", () => {
  assert.deepEqual(lineRange("ab\ncde\nf", 2), [3, 6]);
  assert.deepEqual(lineRange("ab\n", 9), [3, 3]);
});
