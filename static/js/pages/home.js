// Home stays fresh: its feed answers with the HTML of those parts that have changed.

import { showParts } from "../parts.js";
import { startLive } from "../poll.js";

const home = document.querySelector("[data-home]");

if (home) startLive(home.dataset.feed, ({ parts }) => showParts(parts), { since: home.dataset.since });
