import assert from "node:assert/strict";
import { test } from "node:test";

import { dropped } from "../../static/js/builder/dropped.js";

const file = (name) => ({ isFile: true, name, file: (done) => done({ name }) });

// A browser gives a folder's entries in several parts, and then none.
function folder(name, entries) {
  const createReader = () => {
    const parts = [...entries.map((entry) => [entry]), []];
    return { readEntries: (done) => done(parts.shift()) };
  };
  return { isDirectory: true, name, createReader };
}

function transfer(entries) {
  const items = entries.map((entry) => ({ webkitGetAsEntry: () => entry }));
  return { items, files: entries.map(({ name }) => ({ name })) };
}

const paths = async (...entries) => (await dropped(transfer(entries))).map(({ path }) => path);

test("files keep their names", async () => {
  assert.deepEqual(await paths(file("train.py"), file("data.csv")), ["train.py", "data.csv"]);
});

test("a single folder gives the paths inside it, without noise", async () => {
  const inner = folder("src", [file("net.py"), file("fit.py")]);
  const noise = folder("__pycache__", [file("net.pyc")]);
  assert.deepEqual(await paths(folder("work", [file("train.py"), inner, noise])), ["train.py", "src/net.py", "src/fit.py"]);
});

test("a folder beside a file keeps its own name", async () => {
  assert.deepEqual(await paths(folder("src", [file("net.py")]), file("train.py")), ["src/net.py", "train.py"]);
});

test("without entries the plain files count", async () => {
  const bare = { items: [{}], files: [{ name: "train.py" }] };
  assert.deepEqual((await dropped(bare)).map(({ path }) => path), ["train.py"]);
});
