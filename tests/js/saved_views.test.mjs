import assert from "node:assert/strict";
import { test } from "node:test";

import { viewQuery } from "../../static/js/saved_views.js";

test("a view keeps the address without the view, the page and what a feed needs", () => {
  assert.equal(viewQuery("?q=lr%20%3C%201&view=3&page=2&since=x&cols="), "q=lr+%3C+1&cols=");
  assert.equal(viewQuery(""), "");
});
