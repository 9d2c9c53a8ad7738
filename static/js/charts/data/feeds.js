// The feeds of a sweep: the columns of its trials, and what the server computes of them.

import { startLive } from "../../poll.js";
import { columnsOfFeed, mergedFeed } from "./columns.js";

async function json(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok || answer.redirected) throw new Error(`${url} answered ${answer.status}.`);
  return answer.json();
}

// base: the address of the sweep's page. Returns {columns(), matching(q), analysis(name,
// parameters)}, each a promise.
export function createFeeds(base) {
  const url = (name, parameters = {}) => {
    const query = new URLSearchParams(parameters).toString();
    return `${base}${name}.json${query ? `?${query}` : ""}`;
  };
  return {
    base,
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

// The shared columns with what an answer says has changed; whether anything did.
function take(linked, answer) {
  if (!answer.changed) return false;
  const before = linked.columns.feed;
  linked.update(columnsOfFeed(answer.whole ? answer : mergedFeed(before, answer)));
  return true;
}

export async function freshen(linked, feeds) {
  return take(linked, await feeds.columns(linked.columns.feed.mark));
}

// Keeps the shared columns fresh, and shows in the page how fresh they are. after(columns)
// is called on each change.
export function keepFresh(linked, feeds, after) {
  const url = () => `${feeds.base}columns.json?since=${encodeURIComponent(linked.columns.feed.mark)}`;
  return startLive(url, (answer) => {
    if (take(linked, answer)) after(linked.columns);
  });
}
