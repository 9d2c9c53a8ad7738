// The form is saved on the server while somebody types: 2 s after a change, sooner when
// the page is left. Every save names the version that it follows; if another tab has
// saved meanwhile, the page shows both.

export const TICK = 1000;
export const MAX_WAIT = 5000;
export const MAX_DELAY = 30000;
// A page that closes can send no more than this.
export const MAX_LAST = 60000;
const OWN = ["csrfmiddlewaretoken", "form_token", "saved_version", "person", "files", "paths"];

export function retryDelay(failures) {
  return Math.min(MAX_DELAY, 2000 * 2 ** (failures - 1));
}

function clockText(time) {
  const date = new Date(time);
  return [date.getHours(), date.getMinutes()].map((part) => String(part).padStart(2, "0")).join(":");
}

// What the mark says. Seconds are counted for a minute, then minutes.
export function markText({ condition, savedAt, since, message }, now) {
  if (condition === "out") return "You are logged out. Your entries are still on this page.";
  if (condition === "conflict") return "Not saved: changed in another tab.";
  if (condition === "refused") return `Not saved. ${message}`;
  if (condition === "failed") return `Not saved since ${clockText(since)}.`;
  if (savedAt === null) return "";
  const seconds = Math.max(0, Math.floor((now - savedAt) / 1000));
  const ago = seconds < 60 ? `${seconds} s ago` : `at ${clockText(savedAt)}`;
  return `Draft saved ${ago}, also kept if you close the page`;
}

// read(): the entries as text. send(text, version): {status, body}, or throws. show(state)
// is called after every change of the condition.
export function createAutosave({ read, send, show, version = "", saved = read(), condition = "idle", now = Date.now }) {
  const state = {
    version, saved, condition,
    savedAt: null, since: null, seen: null, message: "", failures: 0, retryAt: 0, sending: null,
  };

  function become(next, changes = {}) {
    Object.assign(state, changes, { condition: next });
    show(state);
  }

  function settled(text, { status, body }) {
    if (status === 200) {
      return become("idle", { version: body.version, saved: text, savedAt: now(), since: null, failures: 0 });
    }
    if (status === 401) return become("out");
    if (status === 409) return become("conflict", { other: body });
    if (status === 422) return become("refused", { message: body.error, seen: text });
    return failed();
  }

  function failed() {
    const failures = state.failures + 1;
    become("failed", { failures, retryAt: now() + retryDelay(failures) });
  }

  async function attempt(text) {
    try {
      settled(text, await send(text, state.version));
    } catch {
      failed();
    } finally {
      state.sending = null;
    }
  }

  const isDirty = () => read() !== state.saved;
  const save = () => {
    state.since ??= now();
    state.sending ??= attempt(read());
    return state.sending;
  };
  return {
    state,
    isDirty,
    save,
    // Whether leaving the page would lose something.
    mayLose: () => isDirty() && (state.condition !== "idle" || read().length > MAX_LAST),
    // Every second: whether to save now.
    tick() {
      const text = read();
      if (text === state.saved) {
        if (state.condition === "failed" || state.condition === "refused") become("idle");
        Object.assign(state, { since: null, seen: null });
        return;
      }
      const isChanging = text !== state.seen;
      const waited = state.since === null ? 0 : now() - state.since;
      state.since ??= now();
      const isRefused = state.condition === "refused" && !isChanging;
      state.seen = text;
      if (isChanging && waited < MAX_WAIT) return;
      const isBlocked = ["conflict", "out"].includes(state.condition) || isRefused || now() < state.retryAt;
      if (!isBlocked) save();
    },
    // The person keeps this version: the next save follows the other one.
    keep(other) {
      become("idle", { version: other, saved: null, retryAt: 0 });
      return save();
    },
  };
}

function entries(form) {
  const data = new FormData(form);
  for (const name of OWN) data.delete(name);
  return new URLSearchParams([...data].filter(([, value]) => typeof value === "string")).toString();
}

async function patch(form, text, version) {
  const body = new URLSearchParams(text);
  body.set("saved_version", version);
  const request = () => fetch(form.dataset.savedUrl, {
    method: "PATCH",
    headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
    body,
    keepalive: text.length < MAX_LAST,
  });
  let answer = await request();
  // The token is another one after a login in another tab, and missing without cookies.
  if (answer.status === 403) {
    if ((await renew(form)) === null) return { status: 401, body: {} };
    answer = await request();
  }
  const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
  return { status: answer.status, body: isJson ? await answer.json() : {} };
}

// Take the token and learn the version that the server has; null while logged out.
async function renew(form) {
  const answer = await fetch(form.dataset.savedUrl);
  if (answer.status === 401) return null;
  if (!answer.ok) throw new Error(`The saved form answers ${answer.status}.`);
  const { version, csrf } = await answer.json();
  for (const input of document.querySelectorAll("[name=csrfmiddlewaretoken]")) input.value = csrf;
  return version;
}

function paint(state) {
  const text = markText(state, Date.now());
  if (!text && state.condition === "idle") return; // the server's own words stay
  const isBad = state.condition !== "idle";
  for (const mark of document.querySelectorAll("[data-saved-mark]")) {
    mark.classList.toggle("text-failed", isBad);
    mark.querySelector("[data-saved-glyph]").hidden = isBad;
    mark.querySelector("[data-saved-text]").textContent = text;
    mark.querySelector("[data-saved-retry]").hidden = !["failed", "refused"].includes(state.condition);
    mark.querySelector("[data-saved-login]").hidden = state.condition !== "out";
  }
}

function showConflict(form, state) {
  const place = document.querySelector("[data-conflict-place]");
  if (state.condition !== "conflict" || !state.other?.html) return;
  place.innerHTML = state.other.html;
  place.querySelector("[data-keep]").focus();
}

export function wireAutosave(form) {
  const version = form.elements.saved_version;
  let stopped = false;
  const autosave = createAutosave({
    read: () => entries(form),
    send: (text, after) => patch(form, text, after),
    version: version.value,
    saved: "unsaved" in form.dataset ? null : entries(form),
    condition: document.querySelector("[data-conflict]") ? "conflict" : "idle",
    show(state) {
      if (state.condition === "idle") version.value = state.version;
      paint(state);
      showConflict(form, state);
    },
  });
  const { state } = autosave;

  // Somebody has come back to the page, perhaps from a login or from another tab.
  async function wake() {
    const server = await renew(form).catch(() => null);
    if (stopped || server === null || state.condition === "conflict" || state.sending) return;
    if (autosave.isDirty()) autosave.save();
    else if (server !== state.version) location.replace(location.pathname + location.search);
    else if (state.condition === "out") autosave.keep(server);
  }

  setInterval(() => {
    if (stopped) return;
    autosave.tick();
    paint(state);
  }, TICK);
  wireChoice(form, autosave, version);
  for (const retry of document.querySelectorAll("[data-saved-retry]")) {
    retry.addEventListener("click", () => autosave.save());
  }
  addEventListener("visibilitychange", () => {
    if (!document.hidden && !stopped) wake();
    else if (!stopped && autosave.isDirty() && state.condition !== "conflict") autosave.save();
  });
  addEventListener("focus", () => {
    if (!stopped && state.condition !== "idle") wake();
  });
  addEventListener("pageshow", (event) => {
    stopped = false;
    if (event.persisted) wake();
  });
  addEventListener("beforeunload", (event) => {
    if (!stopped && autosave.mayLose()) event.preventDefault();
  });
  // A save that was under way when the page was left may have ended after this page was
  // made.
  setTimeout(wake, TICK);
  const stop = () => {
    stopped = true;
  };
  document.querySelector("[data-discard]").addEventListener("submit", stop);
  form.addEventListener("submit", (event) => {
    stop();
    if (!state.sending) return;
    // The form says which version it follows, so it waits for the answer.
    event.preventDefault();
    event.stopImmediatePropagation();
    const { submitter } = event;
    state.sending.finally(() => form.requestSubmit(submitter));
  });
}

function wireChoice(form, autosave, version) {
  document.addEventListener("click", (event) => {
    const panel = event.target.closest("[data-conflict]");
    if (panel && event.target.closest("[data-keep]")) {
      event.preventDefault();
      const { other } = autosave.state;
      if (other?.form_token) form.elements.form_token.value = other.form_token;
      panel.remove();
      autosave.keep(other ? other.version : version.value);
    } else if (panel && event.target.closest("[data-take]")) {
      event.preventDefault();
      autosave.state.saved = entries(form);
      location.replace(location.pathname + location.search);
    }
  });
}
