// A page that stays fresh by parts, and by nothing else: its feed answers with the HTML
// of those parts that have changed.

import { showParts } from "../parts.js";
import { startLive } from "../poll.js";

const page = document.querySelector("[data-live-parts]");

if (page) startLive(page.dataset.feed, ({ parts }) => showParts(parts), { since: page.dataset.since });
