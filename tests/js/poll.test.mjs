import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { MAX_DELAY, QUICK, SLOW, createPoller, liveText, nextDelay, withSince } from "../../static/js/poll.js";

beforeEach((context) => context.mock.method(console, "warn", () => {}));

// A clock that is moved by hand.
function makeClock() {
  let time = 0;
  const timers = new Map();
  let last = 0;
  return {
    now: () => time,
    set: (action, delay) => {
      last += 1;
      timers.set(last, { action, at: time + delay });
      return last;
    },
    clear: (timer) => timers.delete(timer),
    pending: () => [...timers.values()].map(({ at }) => at - time),
    async pass(milliseconds) {
      time += milliseconds;
      for (const [key, { action, at }] of [...timers]) {
        if (at > time) continue;
        timers.delete(key);
        await action();
      }
    },
  };
}

function answer(feed, status = 200) {
  return { ok: status < 400, status, redirected: false, json: async () => feed };
}

function setUp(answers, { hidden = () => false, show = () => {} } = {}) {
  const clock = makeClock();
  const seen = { urls: [], feeds: [], conditions: [] };
  const poller = createPoller({
    url: "/feed/",
    clock,
    hidden,
    fetch: async (url, { signal }) => {
      assert.ok(signal instanceof AbortSignal);
      seen.urls.push(url);
      const next = answers.shift();
      if (next instanceof Error) throw next;
      return next;
    },
    onData(feed) {
      show(feed);
      seen.feeds.push(feed);
    },
    onCondition: (condition) => seen.conditions.push(condition),
  });
  poller.start();
  return { clock, poller, seen };
}

test("it asks quickly while someone looks and slowly while nobody does", () => {
  assert.equal(nextDelay({ hidden: false, failures: 0 }), QUICK);
  assert.equal(nextDelay({ hidden: true, failures: 0 }), SLOW);
});

test("it asks more rarely with every failure, up to a limit", () => {
  const delays = [1, 2, 3, 20].map((failures) => nextDelay({ hidden: false, failures }));
  assert.deepEqual(delays, [3000, 6000, 12000, MAX_DELAY]);
  assert.equal(nextDelay({ hidden: true, failures: 1 }), SLOW);
});

test("the token of one answer goes out with the next question", async () => {
  const { clock, seen } = setUp([answer({ since: "a&b" }), answer({ since: "c" })]);
  await clock.pass(QUICK);
  await clock.pass(QUICK);
  assert.deepEqual(seen.urls, ["/feed/", "/feed/?since=a%26b"]);
  assert.equal(withSince("/feed/?x=1", "7"), "/feed/?x=1&since=7");
});

test("it stops for good when the feed says final", async () => {
  const { clock, poller, seen } = setUp([answer({ final: true })]);
  await clock.pass(QUICK);
  assert.equal(poller.condition, "final");
  assert.deepEqual(clock.pending(), []);
  await poller.ask();
  assert.equal(seen.urls.length, 1);
});

test("it says that it reconnects, and recovers", async () => {
  const { clock, seen } = setUp([new Error("offline"), answer({ since: "1" })]);
  await clock.pass(QUICK);
  assert.deepEqual(clock.pending(), [3000]);
  await clock.pass(3000);
  assert.deepEqual(seen.conditions, ["reconnecting", "live"]);
  assert.deepEqual(clock.pending(), [QUICK]);
});

test("what could not be shown is asked for again", async () => {
  let broken = true;
  const show = () => {
    if (broken) throw new Error("no place for it");
  };
  const { clock, seen } = setUp([answer({ since: "1", final: true }), answer({ since: "1", final: true })], { show });
  await clock.pass(QUICK);
  broken = false;
  await clock.pass(3000);
  assert.deepEqual(seen.urls, ["/feed/", "/feed/"]);
  assert.deepEqual(seen.conditions, ["reconnecting", "final"]);
  assert.equal(seen.feeds.length, 1);
});

test("a broken server is a failure to wait out, a page that is gone is not", async () => {
  const broken = setUp([answer({}, 500)]);
  await broken.clock.pass(QUICK);
  assert.equal(broken.poller.condition, "reconnecting");
  const gone = setUp([answer({}, 404)]);
  await gone.clock.pass(QUICK);
  assert.equal(gone.poller.condition, "stopped");
  assert.deepEqual(gone.clock.pending(), []);
});

test("two questions are never under way at once", async () => {
  const { poller, seen } = setUp([answer({ since: "1" })]);
  await Promise.all([poller.ask(), poller.ask()]);
  assert.equal(seen.urls.length, 1);
});

test("its age counts from the last answer", async () => {
  const { clock, poller } = setUp([answer({ since: "1" })]);
  assert.equal(poller.age(), null);
  await clock.pass(QUICK);
  await clock.pass(1000);
  assert.equal(poller.age(), 1);
});

test("the slot says how fresh the page is", () => {
  assert.equal(liveText("live", 2.8), "Live, updated 2 s ago");
  assert.equal(liveText("live", null), "Live");
  assert.equal(liveText("reconnecting", 9), "Reconnecting");
  assert.equal(liveText("final", 3), "");
});
