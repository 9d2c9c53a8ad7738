// Suggestions above the charts: loaded if they were not known at once, again from time to
// time while the sweep runs, and dismissed in place.

const AGAIN_MS = 60_000;

async function send(url, options = {}) {
  const answer = await fetch(url, { credentials: "same-origin", ...options });
  if (!answer.ok || answer.redirected) throw new Error(`answered ${answer.status}`);
  return answer;
}

async function load(place) {
  try {
    place.innerHTML = await (await send(place.dataset.advicePlace)).text();
  } catch (problem) {
    // What is shown already stays.
    console.warn(`${place.dataset.advicePlace}: ${problem}`);
  }
}

async function dismiss(event, place) {
  event.preventDefault();
  const form = event.target;
  try {
    await send(place.dataset.advicePlace, { method: "POST", body: new FormData(form) });
    place.replaceChildren();
  } catch {
    form.submit();
  }
}

export function wireAdvice(root = document) {
  const place = root.querySelector("[data-advice-place]");
  if (!place) return;
  place.addEventListener("submit", (event) => dismiss(event, place));
  if (place.querySelector("[data-advice-waits]")) load(place);
  if (!("livePage" in root.dataset)) return;
  setInterval(() => {
    if (!document.hidden && !place.contains(document.activeElement)) load(place);
  }, AGAIN_MS);
}
