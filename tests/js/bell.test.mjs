import assert from "node:assert/strict";
import { test } from "node:test";

import { badgeText, bellLabel, unseen } from "../../static/js/bell.js";

test("the badge counts up to 99", () => {
  assert.deepEqual([0, 1, 99, 100].map(badgeText), ["", "1", "99", "99+"]);
});

test("the label says the number in words", () => {
  assert.equal(bellLabel(0), "Notifications");
  assert.equal(bellLabel(3), "Notifications: 3 unread");
});

test("a browser shows what it has not shown, and nothing old at first", () => {
  const feed = { newest: 7, new: [{ title: "a" }] };
  assert.deepEqual(unseen(feed, null), []);
  assert.deepEqual(unseen(feed, 7), []);
  assert.deepEqual(unseen(feed, 6), feed.new);
});
