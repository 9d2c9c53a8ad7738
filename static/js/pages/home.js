// Home: its feed answers with the HTML of changed parts.

import { showParts } from "../parts.js";
import { startLive } from "../poll.js";

const home = document.querySelector("[data-home]");

if (home) startLive(home.dataset.feed, ({ parts }) => showParts(parts), { since: home.dataset.since });
