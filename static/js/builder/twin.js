// The YAML beside the form: colored, its wrong lines marked; and as a text to edit.

import { lineRange, pieces } from "./yaml.js";

// Color the keys and placeholders of the lines that stand there.
export function colorLines(root) {
  for (const code of root.querySelectorAll(".yaml code")) {
    code.replaceChildren(
      ...pieces(code.textContent).map(({ kind, text }) => {
        if (kind === "text") return document.createTextNode(text);
        const span = document.createElement("span");
        span.className = kind === "key" ? "key" : "placeholder-name";
        span.textContent = text;
        return span;
      }),
    );
  }
}

// New lines from the server, those of the problems that the form shows marked.
export function paintLines(form, answer, shown) {
  const twin = form.querySelector("[data-twin]");
  if (!twin) return;
  const top = twin.scrollTop;
  twin.innerHTML = answer.twin;
  twin.scrollTop = top;
  const wrong = new Set(shown.map((problem) => problem.line));
  twin.querySelectorAll("li").forEach((line, index) => line.classList.toggle("is-wrong", wrong.has(index + 1)));
  colorLines(twin);
  const copy = form.querySelector("[data-copy-yaml]");
  if (copy) copy.dataset.copy = answer.yaml;
}

export function wireTwin(form) {
  colorLines(form);
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-line]");
    const text = form.querySelector("[data-yaml]");
    if (!button || !text) return;
    const [start, end] = lineRange(text.value, Number(button.dataset.line));
    text.focus();
    text.setSelectionRange(start, end);
  });
}
