// Constraints: add, remove, and their names and numbers in colour.

import { constraintParts } from "./rows.js";
import { addForm, removeForm } from "./space_rows.js";

export function wireConstraints(form, preview) {
  const list = form.querySelector("[data-constraints]");
  const paint = () => list.querySelectorAll("[data-constraint]").forEach((rule) => paintMarks(form, rule));
  form.addEventListener("click", (event) => {
    const rule = event.target.closest("[data-constraint]");
    if (event.target.closest("[data-add-constraint]")) {
      event.preventDefault();
      addForm(form, "constraint", list).querySelector("input:not([type=hidden])").focus();
    } else if (rule && event.target.closest("[data-remove-constraint]")) {
      event.preventDefault();
      removeForm(rule);
      preview.ask();
      form.querySelector("[data-add-constraint]").focus();
    }
  });
  list.addEventListener("input", paint);
  list.addEventListener("scroll", (event) => {
    const marks = event.target.parentElement?.querySelector("[data-marks]");
    if (marks) marks.scrollLeft = event.target.scrollLeft;
  }, true);
  form.querySelector("[data-rows]").addEventListener("change", paint);
  paint();
}

function paintMarks(form, rule) {
  const names = [...form.querySelectorAll("[data-row]:not([hidden]) [name$='-name']")].map((input) => input.value.trim());
  const text = rule.querySelector("[name$='-rule']").value;
  rule.querySelector("[data-marks]").replaceChildren(
    ...constraintParts(text, names).map(([kind, word]) => {
      const part = document.createElement("span");
      part.className = `rule-${kind}`;
      part.textContent = word;
      return part;
    }),
  );
}
