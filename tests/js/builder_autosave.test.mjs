import assert from "node:assert/strict";
import { test } from "node:test";

import { MAX_WAIT, createAutosave, markText, retryDelay } from "../../static/js/builder/autosave.js";

// A form whose text and clock the test sets, and a server that gives the next answers.
function setUp(answers, options = {}) {
  const page = { text: "a=1", time: 0, sent: [] };
  const autosave = createAutosave({
    read: () => page.text,
    send: async (text, version) => {
      page.sent.push([text, version]);
      const answer = answers.shift();
      if (answer === undefined) throw new Error("no network");
      return answer;
    },
    show: () => {},
    now: () => page.time,
    ...options,
  });
  const after = async (milliseconds) => {
    for (let end = page.time + milliseconds; page.time < end; ) {
      page.time += 1000;
      autosave.tick();
      await autosave.state.sending;
    }
  };
  return { page, autosave, state: autosave.state, after };
}

const ok = (version) => ({ status: 200, body: { version } });

test("a change is saved within two seconds, once, after the version before", async () => {
  const { page, state, after } = setUp([ok("7.1"), ok("7.2")]);
  await after(4000);
  assert.deepEqual(page.sent, []);
  page.text = "a=2";
  await after(2000);
  assert.deepEqual(page.sent, [["a=2", ""]]);
  await after(4000);
  page.text = "a=3";
  await after(2000);
  assert.deepEqual(page.sent[1], ["a=3", "7.1"]);
  assert.equal(state.version, "7.2");
});

test("somebody who never stops typing is saved every few seconds", async () => {
  const { page, after } = setUp([ok("7.1")]);
  for (let key = 0; key <= MAX_WAIT / 1000; key += 1) {
    page.text += key;
    await after(1000);
  }
  assert.equal(page.sent.length, 1);
});

test("a failure says since when, is tried again later and later, and heals", async () => {
  const { page, state, after, autosave } = setUp([]);
  page.text = "a=2";
  await after(2000);
  assert.equal(state.condition, "failed");
  assert.match(markText(state, page.time), /^Not saved since \d\d:\d\d\.$/);
  assert.ok(autosave.mayLose());
  await after(60000);
  assert.ok(page.sent.length > 3 && page.sent.length < 10);
  assert.deepEqual([retryDelay(1), retryDelay(20)], [2000, 30000]);
  const healed = setUp([undefined, ok("7.1")].map((each) => each ?? { status: 503, body: {} }));
  healed.page.text = "a=2";
  await healed.after(6000);
  assert.equal(healed.state.condition, "idle");
  assert.ok(!healed.autosave.mayLose());
  assert.equal(markText(healed.state, healed.page.time), "Draft saved 2 s ago, also kept if you close the page");
});

test("another tab's version stops saving until this one is kept", async () => {
  const { page, state, after, autosave } = setUp([{ status: 409, body: { version: "7.4" } }, ok("7.5")]);
  page.text = "a=2";
  await after(20000);
  assert.equal(page.sent.length, 1);
  assert.equal(state.condition, "conflict");
  await autosave.keep("7.4");
  assert.deepEqual(page.sent[1], ["a=2", "7.4"]);
  assert.equal(state.version, "7.5");
});

test("without a session nothing is sent until the person is back", async () => {
  const { page, state, after, autosave } = setUp([{ status: 401, body: {} }, ok("7.1")]);
  page.text = "a=2";
  await after(20000);
  assert.equal(page.sent.length, 1);
  assert.match(markText(state, page.time), /^You are logged out/);
  page.text = "a=3";
  await autosave.save();
  assert.deepEqual(page.sent[1], ["a=3", ""]);
});

test("what is refused is sent again once it is something else", async () => {
  const { page, state, after } = setUp([{ status: 422, body: { error: "Too large." } }, ok("7.1")]);
  page.text = "a=2";
  await after(20000);
  assert.equal(markText(state, page.time), "Not saved. Too large.");
  page.text = "a=3";
  await after(3000);
  assert.equal(state.version, "7.1");
});
