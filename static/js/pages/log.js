// Logs on a page: find, and wrap long lines. What was picked is kept in the URL.

// Whether a line's text holds all words of the question, in any case. Pure.
export function matches(text, question) {
  const low = text.toLowerCase();
  return question.toLowerCase().split(/\s+/).filter(Boolean).every((word) => low.includes(word));
}

function keep(name, value) {
  const url = new URL(location.href);
  if (value) url.searchParams.set(name, value);
  else url.searchParams.delete(name);
  history.replaceState(history.state, "", url);
}

function filter(root, question) {
  const lines = [...root.querySelectorAll(".log-line")];
  let shown = 0;
  for (const line of lines) {
    line.hidden = !matches(line.textContent, question);
    shown += line.hidden ? 0 : 1;
  }
  const count = root.querySelector("[data-log-count]");
  if (count) count.textContent = question.trim() ? `${shown} of the last ${lines.length} lines` : "";
}

// root holds [data-log-find], [data-log-wrap] and the lines. Returns {refresh, toEnd}.
export function wireLog(root) {
  const find = root.querySelector("[data-log-find]");
  const wrap = root.querySelector("[data-log-wrap]");
  const asked = new URLSearchParams(location.search);
  const refresh = () => filter(root, find.value);

  function setWrap(on) {
    root.classList.toggle("is-wrapped", on);
    wrap.setAttribute("aria-pressed", String(on));
  }

  find.value = asked.get("find") ?? "";
  find.addEventListener("input", () => {
    keep("find", find.value);
    refresh();
  });
  if (wrap) {
    wrap.addEventListener("click", () => {
      const on = wrap.getAttribute("aria-pressed") !== "true";
      keep("wrap", on ? "1" : "");
      setWrap(on);
    });
    setWrap(asked.get("wrap") === "1");
  }
  refresh();
  return {
    refresh,
    toEnd() {
      for (const box of root.querySelectorAll(".log")) box.scrollTop = box.scrollHeight;
    },
  };
}
