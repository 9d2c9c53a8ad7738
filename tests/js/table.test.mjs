// The pure parts of the table of trials.
import assert from "node:assert/strict";
import { test } from "node:test";

import { blocksOf, lineOf, linesInSight, makeLayout, rowOf } from "../../static/js/table/layout.js";
import { numbersIn, rangesOf, ticksOf } from "../../static/js/table/ticks.js";
import { tokens } from "../../static/js/table/tokens.js";
import { joined, readView, rowsQuery, toggledSort, withView } from "../../static/js/table/view_state.js";

function storage() {
  const kept = new Map();
  return { kept, getItem: (key) => kept.get(key) ?? null, setItem: (key, text) => kept.set(key, text) };
}

test("ticks are kept by sweep, and all who ask share them", () => {
  const tab = storage();
  const ticks = ticksOf("7", tab);
  let told = 0;
  ticks.onChange(() => { told += 1; });
  ticks.setAll([12, 3, 4, 5], true);
  ticks.set(4, false);
  assert.deepEqual(ticks.numbers(), [3, 5, 12]);
  assert.equal(told, 2);
  assert.equal(ticksOf("7", tab), ticks);
  assert.equal(tab.kept.get("ticks:7"), "3,5,12");
  tab.kept.set("ticks:8", "1-3");
  assert.deepEqual(ticksOf("8", tab).numbers(), [1, 2, 3]);
});

test("ticks live without storage", () => {
  const broken = { getItem() { throw new Error("forbidden"); }, setItem() { throw new Error("full"); } };
  const ticks = ticksOf("9", broken);
  ticks.set(1, true);
  assert.ok(ticks.has(1));
});

test("numbers as ranges and back", () => {
  assert.equal(rangesOf([9, 3, 4, 5, 11]), "3-5,9,11");
  assert.deepEqual(numbersIn("3-5,9,11"), [3, 4, 5, 9, 11]);
  assert.equal(rangesOf([]), "");
  assert.deepEqual(numbersIn(""), []);
});

test("the view is read from the address and written back beside other parameters", () => {
  const view = readView("?q=lr+%3C+0.01&sort=-value,took&cols=value,p.lr&group=seeds&rank=41&view=12");
  assert.deepEqual(view, { q: "lr < 0.01", sort: ["-value", "took"], cols: ["value", "p.lr"], group: "seeds", rank: 41 });
  assert.equal(withView("?view=12&page=3&q=x", { q: "", sort: ["-value", "took"] }), "?view=12&sort=-value,took");
  assert.equal(withView("?q=x", { q: null }), "");
  assert.equal(rowsQuery("?q=a+%3D+1&rank=4&view=3&sort=took"), "q=a+%3D+1&sort=took");
  assert.equal(readView("?rank=x").rank, null);
  assert.equal(readView("").cols, null);
});

test("a click sorts and turns, with shift it adds", () => {
  assert.deepEqual(toggledSort([], "-value"), ["-value"]);
  assert.deepEqual(toggledSort(["-value"], "-value"), ["value"]);
  assert.deepEqual(toggledSort(["-value"], "took", { add: true }), ["-value", "took"]);
  assert.deepEqual(toggledSort(["-value", "took"], "took", { add: true }), ["-value", "-took"]);
  assert.deepEqual(toggledSort(["-value", "took"], "took"), ["took"]);
  assert.equal(toggledSort(["a", "b", "c", "d", "e"], "f", { add: true }).length, 5);
});

test("expressions are joined, and an or keeps its meaning", () => {
  assert.equal(joined("lr < 0.1", "", "failed"), "lr < 0.1 and failed");
  assert.equal(joined("a = 1 or b = 2", "c = 3"), "(a = 1 or b = 2) and c = 3");
  assert.equal(joined("a = 1 or b = 2"), "a = 1 or b = 2");
});

test("lines and rows, where groups are open and the best is pinned", () => {
  const plain = makeLayout({ rows: 100 });
  assert.equal(plain.lines, 100);
  assert.deepEqual(rowOf(plain, 42), { index: 42, child: null });
  const open = makeLayout({ rows: 100, opened: [[10, 5], [3, 2]], skip: 1 });
  assert.equal(open.lines, 106);
  assert.equal(lineOf(open, 3), 2);
  assert.equal(lineOf(open, 3, 1), 4);
  assert.equal(lineOf(open, 4), 5);
  for (let line = 0; line < open.lines; line += 1) {
    const { index, child } = rowOf(open, line);
    assert.equal(lineOf(open, index, child), line);
  }
});

test("what is in sight, and the blocks to ask for", () => {
  assert.deepEqual(linesInSight({ top: 0, height: 330, rowHeight: 33, lines: 10_000, more: 2 }), { first: 0, last: 12 });
  assert.deepEqual(linesInSight({ top: 3300, height: 330, rowHeight: 33, lines: 10_000, more: 2 }), { first: 98, last: 112 });
  assert.deepEqual(linesInSight({ top: 9999, height: 330, rowHeight: 33, lines: 5, more: 2 }), { first: 5, last: 5 });
  assert.deepEqual(blocksOf([59, 60, 61, 130]), [0, 1, 2]);
});

test("a filter in parts, with the wrong one marked", () => {
  const text = 'not failed and lr<0.01 or tag = "a b" and took < 6m';
  const found = tokens(text);
  assert.equal(found.map((part) => part.text).join(""), text);
  const kinds = Object.fromEntries(found.map((part) => [part.text, part.kind]));
  assert.equal(kinds.failed, "name");
  assert.equal(kinds.and, "word");
  assert.equal(kinds["0.01"], "value");
  assert.equal(kinds['"a b"'], "value");
  assert.equal(kinds["6m"], "value");
  const wrong = tokens("lr < > 3", { start: 5, end: 6 }).filter((part) => part.wrong);
  assert.deepEqual(wrong.map((part) => part.text), [">"]);
});
