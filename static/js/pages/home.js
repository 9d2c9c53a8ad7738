// Home stays fresh: its feed answers with the HTML of those parts that have changed.

import { refreshTimes } from "../format.js";
import { startLive } from "../poll.js";

const home = document.querySelector("[data-home]");

// What has the focus keeps it: a link is found again by where it leads.
function replaced(part, html) {
  const focused = part.contains(document.activeElement)
    ? document.activeElement.getAttribute("href")
    : null;
  part.innerHTML = html;
  if (focused === null) return;
  const again = [...part.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused);
  again?.focus({ preventScroll: true });
}

function show({ parts }) {
  for (const [name, html] of Object.entries(parts)) {
    const part = document.querySelector(`[data-part="${name}"]`);
    if (html === null || !part) continue;
    replaced(part, html);
    refreshTimes(part);
  }
}

if (home) startLive(home.dataset.feed, show, { since: home.dataset.since });
