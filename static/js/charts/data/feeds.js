// The feeds of a sweep: the columns of its trials, and what the server computes of them.

import { startLive } from "../../poll.js";
import { columnsOfFeed, mergedFeed } from "./columns.js";
import { paced, timed } from "./paced.js";

async function json(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok || answer.redirected) throw new Error(`${url} answered ${answer.status}.`);
  return answer.json();
}

// base: the address of the sweep's page; metric: drawn in place of the primary one.
// Returns {columns(), matching(q), analysis(name,
// parameters)}, each a promise.
export function createFeeds(base, metric = "") {
  const url = (name, parameters = {}) => {
    const query = new URLSearchParams({ ...parameters, ...(metric && { metric }) }).toString();
    return `${base}${name}.json${query ? `?${query}` : ""}`;
  };
  return {
    url,
    columns: (mark) => json(url("columns", mark ? { since: mark } : {})),
    matching: (q) => json(url("matching", { q })),
    // An answer that is not there reads as one that has nothing to show.
    async analysis(name, parameters) {
      try {
        return await json(url(name, parameters));
      } catch (problem) {
        console.warn(`${name}: ${problem.message}`);
        return { ready: false, sentence: "This could not be computed. Reload the page to try again." };
      }
    },
  };
}

// Returns a function that asks what has changed and draws it, or does so later while
// drawing is costly. after(columns) is called on each change.
export function freshener(linked, feeds, after) {
  return paced(async () => {
    const answer = await feeds.columns(linked.columns.feed.mark);
    if (!answer.changed) return 0;
    return timed(() => {
      linked.update(columnsOfFeed(mergedFeed(linked.columns.feed, answer)));
      after(linked.columns);
    });
  });
}

// Keeps the shared columns fresh, and shows in the page how fresh they are. after(columns)
// is called on each change.
export function keepFresh(linked, feeds, after) {
  let { feed } = linked.columns;
  const draw = paced(() => timed(() => {
    linked.update(columnsOfFeed(feed));
    after(linked.columns);
  }));
  return startLive(() => feeds.url("columns", { since: feed.mark }), (answer) => {
    if (!answer.changed) return;
    feed = mergedFeed(feed, answer);
    draw();
  });
}
