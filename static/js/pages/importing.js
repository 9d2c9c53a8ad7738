// The import page: reads a chosen or dropped file at once, and colors keys.
// Without scripts a button sends the file.

import { colorLines } from "../builder/twin.js";

const form = document.querySelector("[data-import]");

function wireFile(input) {
  input.addEventListener("change", () => {
    if (input.files.length) form.requestSubmit();
  });
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  form.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    form.classList.add("is-over");
  });
  form.addEventListener("dragleave", (event) => {
    if (!form.contains(event.relatedTarget)) form.classList.remove("is-over");
  });
  form.addEventListener("drop", (event) => {
    form.classList.remove("is-over");
    if (!holdsFiles(event) || !event.dataTransfer.files.length) return;
    event.preventDefault();
    input.files = event.dataTransfer.files;
    form.requestSubmit();
  });
}

if (form) {
  wireFile(form.querySelector("[data-file]"));
  colorLines(document);
}
