// Files are sent as soon as they are chosen or dropped, and stay whatever happens next.

import { dropped } from "./dropped.js";
import { MAX_FILES, chosen, isNoise } from "./files.js";

export function wireFiles(form, preview) {
  const area = form.querySelector("[data-files]");
  const input = form.querySelector("#field-files");
  const folder = form.querySelector("[data-folder-input]");

  const send = async (picked) => {
    if (picked.length === 0) return;
    if (picked.length > MAX_FILES) {
      complain(form, preview, `There are ${picked.length} files; at most ${MAX_FILES} can be sent one by one. Pack them as one zip.`);
      return;
    }
    area.classList.add("is-busy");
    const command = form.elements.command.value;
    try {
      const answer = await fetch(form.dataset.filesUrl, { method: "POST", body: body(form, picked) });
      const kept = await answer.json();
      if (form.elements.command.value !== command) delete kept.command; // typed since
      if (answer.ok) showKept(form, kept);
      else complain(form, preview, kept.error);
    } catch {
      complain(form, preview, "The files did not arrive. Choose them again.");
    } finally {
      area.classList.remove("is-busy");
      input.value = "";
      folder.value = "";
      preview.ask();
    }
  };
  input.addEventListener("change", () => send(chosen([...input.files])));
  // Chosen before this script was there.
  if (input.files.length) send(chosen([...input.files]));
  folder.addEventListener("change", () => send(chosen([...folder.files])));
  form.querySelector("[data-drop-files]").addEventListener("click", (event) => {
    event.preventDefault();
    showKept(form, { digest: "", names: "", size: "" });
    preview.ask();
  });
  wireDrop(form, send);
}

function body(form, picked) {
  const data = new FormData();
  data.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  data.append("team", form.elements.team.value);
  data.append("command", form.elements.command.value);
  data.append("paths", JSON.stringify(picked.map(({ path }) => path)));
  for (const { file } of picked) data.append("files", file, file.name);
  return data;
}

export function showKept(form, { digest, names, size, command }) {
  form.elements.code.value = digest;
  form.elements.refused.value = "";
  if (digest) form.querySelector('[name="code_kind"][value="files"]').checked = true;
  if (command) form.elements.command.value = command;
  form.querySelector("[data-kept]").hidden = !digest;
  form.querySelector("[data-kept-names]").textContent = names;
  form.querySelector("[data-kept-size]").textContent = size;
  form.querySelector("[data-choose-words]").textContent = digest ? "Replace" : "Choose files";
  form.querySelector("[data-hint-drop]").hidden = Boolean(digest);
  form.querySelector("[data-drop-files]").hidden = !digest;
  form.querySelector('[data-problems="files"]').replaceChildren();
  // What listens to the form, such as the autosave, learns of it.
  form.elements.code.dispatchEvent(new Event("change", { bubbles: true }));
}

// The sentence goes with the form from now on, so that every answer of the server repeats
// it until other files are chosen or all are removed.
function complain(form, preview, sentence) {
  form.elements.refused.value = sentence;
  form.querySelector("[data-drop-files]").hidden = false;
  preview.touch("files");
  const part = form.querySelector('template[data-template="problem"]').content.cloneNode(true);
  part.querySelector("span").textContent = sentence;
  form.querySelector('[data-problems="files"]').replaceChildren(part);
  preview.ask();
}

// The whole page takes files while they are dragged over it.
function wireDrop(form, send) {
  const has = (event) => event.dataTransfer?.types.includes("Files");
  const over = (isOver) => form.classList.toggle("is-over", isOver);
  addEventListener("dragover", (event) => {
    if (!has(event)) return;
    event.preventDefault();
    over(true);
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) over(false);
  });
  addEventListener("drop", async (event) => {
    if (!has(event)) return;
    event.preventDefault();
    over(false);
    const files = await dropped(event.dataTransfer);
    send(files.filter(({ path }) => !isNoise(path)));
  });
}
