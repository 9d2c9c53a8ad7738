// A page that only its feed updates: it answers with the HTML of changed parts.

import { showParts } from "../parts.js";
import { startLive } from "../poll.js";

const page = document.querySelector("[data-live-parts]");

if (page) startLive(page.dataset.feed, ({ parts }) => showParts(parts), { since: page.dataset.since });
