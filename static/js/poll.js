// Keeps a page fresh from one JSON feed.
//
// The feed answers {"since": token, "final": bool, …}; the token goes back as ?since=.
// The page asks every 1.5 s while it is visible, every 20 s while it is hidden, and less
// often (up to 30 s) while the feed does not answer. It stops when the feed says final, or
// that the page is gone or no longer visible to the viewer.

export const QUICK = 1500;
export const SLOW = 20000;
export const MAX_DELAY = 30000;
// A question without an answer would be the last one.
const MAX_WAIT = 60000;

const GONE = new Set([401, 403, 404, 410]);

export function nextDelay({ hidden, failures }) {
  const base = hidden ? SLOW : QUICK;
  if (failures === 0) return base;
  return Math.max(base, Math.min(MAX_DELAY, QUICK * 2 ** failures));
}

export function liveText(condition, seconds) {
  if (condition === "final") return "";
  if (condition === "stopped") return "No longer live: reload the page";
  if (condition === "reconnecting") return "Reconnecting";
  return seconds === null ? "Live" : `Live, updated ${Math.max(0, Math.floor(seconds))} s ago`;
}

export function withSince(url, since) {
  if (since === null || since === undefined || since === "") return url;
  return `${url}${url.includes("?") ? "&" : "?"}since=${encodeURIComponent(since)}`;
}

function browserClock() {
  return {
    now: () => Date.now(),
    set: (action, delay) => setTimeout(action, delay),
    clear: (timer) => clearTimeout(timer),
  };
}

// url: of the feed, or a function that returns it. onData(feed) runs before the next
// question is asked. onCondition(condition) gets "live", "reconnecting", "final" or
// "stopped". fetch, clock and hidden are for tests.
export function createPoller({
  url,
  since = null,
  onData,
  onCondition = () => {},
  fetch = (...args) => globalThis.fetch(...args),
  clock = browserClock(),
  hidden = () => document.hidden,
}) {
  const state = { since, failures: 0, updated: null, condition: "live", timer: null, asking: false };

  function tell(condition) {
    if (state.condition === condition) return;
    state.condition = condition;
    onCondition(condition);
  }

  function over() {
    return state.condition === "final" || state.condition === "stopped";
  }

  function plan() {
    clock.clear(state.timer);
    state.timer = over() ? null : clock.set(ask, nextDelay({ hidden: hidden(), failures: state.failures }));
  }

  async function read() {
    const address = typeof url === "function" ? url() : url;
    const answer = await fetch(withSince(address, state.since), {
      headers: { Accept: "application/json" },
      credentials: "same-origin",
      signal: AbortSignal.timeout(MAX_WAIT),
    });
    if (GONE.has(answer.status) || answer.redirected) return null;
    if (!answer.ok) throw new Error(`The feed answered ${answer.status}.`);
    return answer.json();
  }

  // If showing it fails, `since` stays and the same news comes again.
  function take(feed) {
    onData(feed);
    state.failures = 0;
    state.updated = clock.now();
    state.since = feed.since ?? state.since;
    tell(feed.final ? "final" : "live");
  }

  async function ask() {
    if (state.asking || over()) return;
    state.asking = true;
    try {
      const feed = await read();
      if (feed === null) tell("stopped");
      else take(feed);
    } catch (error) {
      state.failures += 1;
      tell("reconnecting");
      console.warn("The page could not be brought up to date.", error);
    } finally {
      state.asking = false;
      plan();
    }
  }

  return {
    start: plan,
    ask,
    stop() {
      tell("stopped");
      clock.clear(state.timer);
    },
    get condition() {
      return state.condition;
    },
    age: () => (state.updated === null ? null : (clock.now() - state.updated) / 1000),
  };
}

// Polls, and shows in the page's [data-live] slot how fresh it is. Returns the poller.
export function startLive(url, onData, { since = null, root = document } = {}) {
  const slot = root.querySelector("[data-live]");
  const poller = createPoller({ url, since, onData, onCondition: show });

  function show() {
    if (!slot) return;
    slot.dataset.condition = poller.condition;
    const text = liveText(poller.condition, poller.age());
    if (text === "") slot.replaceChildren();
    else writeSlot(slot, text);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) poller.ask();
  });
  setInterval(show, 1000);
  show();
  poller.start();
  return poller;
}

function writeSlot(slot, text) {
  let words = slot.querySelector("[data-live-text]");
  if (!words) {
    const dot = document.createElement("span");
    dot.className = "live-dot";
    words = document.createElement("span");
    words.dataset.liveText = "";
    slot.replaceChildren(dot, words);
  }
  words.textContent = text;
}
