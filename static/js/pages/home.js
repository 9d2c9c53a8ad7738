// Home: its feed answers with the HTML of changed parts.

import { startLive } from "../poll.js";
import { showEntries, wireEntryFilter } from "../table/entries.js";

const home = document.querySelector("[data-home]");

wireEntryFilter();
if (home) startLive(home.dataset.feed, ({ parts }) => showEntries(parts), { since: home.dataset.since });
