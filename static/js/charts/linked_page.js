// A page of linked charts: the columns are read, the cards drawn one after the other, and
// all kept fresh.

import { columnsOfFeed } from "./data/columns.js";
import { createFeeds, freshener, keepFresh } from "./data/feeds.js";
import { createLinked, keepInUrl } from "./data/linked.js";
import { pickedInUrl } from "./data/picked_in_url.js";
import { ticksOf } from "../table/ticks.js";
import { linkedCards } from "./linked_cards.js";

// What the server computes is asked again at most this often while trials end.
const RENEW_MS = 15_000;

// Answers of the server, each asked once until they are renewed.
function createAnswers(feeds) {
  const kept = new Map();
  return {
    get(name, parameters = {}) {
      const key = `${name} ${JSON.stringify(parameters)}`;
      if (!kept.has(key)) kept.set(key, feeds.analysis(name, parameters));
      return kept.get(key);
    },
    clear: () => kept.clear(),
  };
}

const sharesOf = (answer) => (answer.ready ? new Map(answer.rows.map(({ name, share }) => [name, share])) : null);

// Lets the browser paint and answer between two charts.
const breath = () => new Promise((resolve) => { setTimeout(resolve); });

const query = () => new URLSearchParams(location.search).get("q") ?? "";

// base: the address of the sweep's page; metric: as createFeeds has it; sweep: its id;
// root: where the cards are; columns: those to
// begin with, else they are read. Returns the page: {linked, drawn (a promise), …}.
export async function openLinkedPage(root, { base, sweep, metric = "", spreadNow = () => null, columns = null }) {
  const feeds = createFeeds(base, metric);
  const first = columns ?? columnsOfFeed(await feeds.columns());
  const linked = createLinked({ columns: first, q: query(), matching: feeds.matching, keep: keepInUrl });
  const page = {
    linked,
    feeds,
    spreadNow,
    picked: pickedInUrl(),
    answers: createAnswers(feeds),
    shares: null,
    openTrial: (id) => location.assign(`/trials/${id}/`),
  };
  const ticks = ticksOf(sweep);
  linked.tick(ticks.numbers());
  ticks.onChange(() => linked.tick(ticks.numbers()));
  const cards = linkedCards(root, page);

  async function readShares() {
    if (!cards.some(({ kind }) => kind === "importance")) return;
    page.shares = sharesOf(await page.answers.get("importance"));
    for (const card of cards) card.setShares();
  }

  async function draw() {
    for (const card of cards) {
      // What waits for the server does not hold up the next chart.
      const drawn = card.draw();
      await Promise.race([drawn, breath()]);
    }
    await readShares();
  }

  let renewed = Date.now();
  let ended = first.order.length;

  async function renew() {
    renewed = Date.now();
    ended = linked.columns.order.length;
    page.answers.clear();
    for (const card of cards) await card.renew();
    await readShares();
  }

  function fresh(next) {
    const isNew = next.order.length !== ended || next.final;
    if (isNew && (Date.now() - renewed > RENEW_MS || next.final)) renew();
  }

  window.addEventListener("popstate", () => {
    linked.setQuery(query(), { step: null });
    for (const card of cards) card.redraw();
  });
  return {
    ...page,
    cards,
    drawn: draw(),
    redraw() {
      for (const card of cards) card.redraw();
    },
    keepFresh: () => keepFresh(linked, feeds, fresh),
    // Once, for a page that learns of news elsewhere.
    freshen: freshener(linked, feeds, fresh),
  };
}
