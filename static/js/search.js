// The search of all pages: a dialog with a combobox. `/` and Ctrl+K open it, `?` shows
// the keys. Without scripts the link in the top bar leads to its own page.

const WAIT = 80; // Milliseconds after a key.
const SLOW = 150;

// Where an arrow key leads from `index` (-1: nothing) of `count` lines.
export function nextLine(key, index, count) {
  if (count === 0) return -1;
  if (key === "ArrowDown") return (index + 1) % count;
  return index <= 0 ? count - 1 : index - 1;
}

// The parts of a title: [text, whether the query has it].
export function markedParts(title, query) {
  const words = query.replace(/^[>#]/, "").split(/\s+/).filter(Boolean);
  if (words.length === 0) return [[title, false]];
  const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const parts = title.split(new RegExp(`(${escaped.join("|")})`, "i"));
  return parts.map((text, k) => [text, k % 2 === 1]).filter(([text]) => text !== "");
}

// Whether a key typed here is text. The field of a dialog that was just closed keeps the
// focus for a moment.
const isTyping = (target) =>
  Boolean(target.closest?.("input, textarea, select, [contenteditable]")) && !target.closest("dialog");

function mark(title, query) {
  const nodes = markedParts(title.textContent, query).map(([text, has]) => {
    if (!has) return text;
    const marked = document.createElement("mark");
    marked.textContent = text;
    return marked;
  });
  title.replaceChildren(...nodes);
}

class Palette {
  #kind = "";
  #timer = 0;
  #asked = 0;
  #request = null;
  #shown = null;

  constructor(dialog) {
    this.dialog = dialog;
    this.input = dialog.querySelector("input");
    this.found = dialog.querySelector("[data-found]");
    this.searching = dialog.querySelector("[data-searching]");
    this.input.addEventListener("input", () => this.later());
    dialog.addEventListener("keydown", (event) => this.key(event));
    dialog.addEventListener("click", (event) => this.click(event));
    dialog.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  }

  open() {
    if (this.dialog.open) return;
    this.#kind = "";
    this.input.value = "";
    this.dialog.showModal();
    this.input.focus();
    this.ask();
  }

  get lines() {
    return [...this.found.querySelectorAll("[role=option]")];
  }

  get current() {
    return this.lines.findIndex((line) => line.getAttribute("aria-selected") === "true");
  }

  later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.ask(), WAIT);
  }

  async ask() {
    this.#request?.abort();
    this.#request = new AbortController();
    const asked = ++this.#asked;
    const query = this.input.value.trim();
    const slow = setTimeout(() => (this.searching.hidden = false), SLOW);
    const params = new URLSearchParams({ q: query, kind: this.#kind, at: location.pathname, part: "1" });
    try {
      const answer = await fetch(`${this.dialog.dataset.search}?${params}`, { signal: this.#request.signal });
      if (answer.redirected) location.assign(answer.url);
      const html = await answer.text();
      if (asked === this.#asked && answer.ok) this.show(html, query);
    } catch (error) {
      if (error.name !== "AbortError") this.found.textContent = "The site did not answer. Try again.";
    } finally {
      clearTimeout(slow);
      if (asked === this.#asked) this.searching.hidden = true;
    }
  }

  show(html, query) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    for (const title of fresh.content.querySelectorAll("[data-marked]")) mark(title, query);
    this.found.replaceChildren(fresh.content);
    this.#shown = query;
    this.select(this.lines.length ? 0 : -1);
  }

  select(index) {
    const lines = this.lines;
    lines.forEach((line, k) => line.setAttribute("aria-selected", String(k === index)));
    if (index < 0) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    this.input.setAttribute("aria-activedescendant", lines[index].id);
    lines[index].scrollIntoView({ block: "nearest" });
  }

  key(event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.select(nextLine(event.key, this.current, this.lines.length));
    } else if (event.key === "Enter" && event.target === this.input) {
      event.preventDefault();
      this.enter(event);
    } else if (event.key === "Tab" && !event.shiftKey && event.target === this.input) {
      event.preventDefault();
      this.nextKind();
    }
  }

  // Never to a line of another query, however quickly somebody types.
  async enter(event) {
    if (this.input.value.trim() !== this.#shown) {
      clearTimeout(this.#timer);
      await this.ask();
    }
    this.follow(this.lines[this.current], event);
  }

  follow(line, event) {
    if (!line) return;
    if (event.ctrlKey || event.metaKey) window.open(line.href, "_blank", "noopener");
    else location.assign(line.href);
  }

  nextKind() {
    const kinds = [...this.found.querySelectorAll("[data-kind]")].map((chip) => chip.dataset.kind);
    this.#kind = kinds[(kinds.indexOf(this.#kind) + 1) % kinds.length] ?? "";
    this.ask();
  }

  click(event) {
    const chip = event.target.closest("[data-kind]");
    if (chip) {
      this.#kind = chip.dataset.kind;
      this.input.focus();
      this.ask();
    }
    if (event.target === this.dialog || event.target.closest("[data-palette-close]")) this.dialog.close();
  }
}

export function wireSearch() {
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  const palette = new Palette(dialog);
  const keys = document.getElementById("keys");
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-search-open]");
    if (!opener || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    palette.open();
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const control = event.ctrlKey || event.metaKey;
    if (control && event.key === "k") act(event, () => palette.open());
    if (control || event.altKey || isTyping(event.target)) return;
    if (event.key === "/") act(event, () => palette.open());
    if (event.key === "?") act(event, () => keys.showModal());
  });
}

function act(event, what) {
  event.preventDefault();
  what();
}
