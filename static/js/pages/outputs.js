// The tree of output files: opens previews without leaving the page.

import { showPart } from "../parts.js";

// part: the card, with its address in data-outputs. What is open is in the URL.
export function wireOutputs(part) {
  let asked = 0;

  async function open(query) {
    const url = new URL(location.href);
    url.search = query;
    history.replaceState(history.state, "", url);
    const mine = (asked += 1);
    const answer = await fetch(`${part.dataset.outputs}${url.search}`, { credentials: "same-origin" });
    if (answer.ok && !answer.redirected && mine === asked) showPart(part, await answer.text());
  }

  part.addEventListener("click", (event) => {
    const link = event.target.closest("[data-output]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const query = new URLSearchParams(location.search);
    query.set("file", new URL(link.href).searchParams.get("file"));
    open(query.toString());
  });
  part.addEventListener("submit", (event) => {
    event.preventDefault();
    const query = new URLSearchParams(location.search);
    query.set("files", new FormData(event.target).get("files"));
    open(query.toString());
  });
}
