// Files are sent as soon as they are chosen or dropped, and stay whatever happens next.

import { MAX_FILES, chosen } from "./files.js";

export function wireFiles(form, preview) {
  const area = form.querySelector("[data-files]");
  const input = form.querySelector("#field-files");
  const folder = form.querySelector("[data-folder-input]");

  const send = async (files) => {
    const picked = chosen([...files]);
    if (picked.length === 0) return;
    if (picked.length > MAX_FILES) {
      complain(form, preview, `There are ${picked.length} files; at most ${MAX_FILES} can be sent one by one. Pack them as one zip.`);
      return;
    }
    area.classList.add("is-busy");
    try {
      const answer = await fetch(form.dataset.filesUrl, { method: "POST", body: body(form, picked) });
      const kept = await answer.json();
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
  input.addEventListener("change", () => send(input.files));
  // Chosen before this script was there.
  if (input.files.length) send(input.files);
  folder.addEventListener("change", () => send(folder.files));
  form.querySelector("[data-drop-files]").addEventListener("click", (event) => {
    event.preventDefault();
    showKept(form, { digest: "", names: "", size: "" });
    preview.ask();
  });
  wireDrop(area, send);
}

function body(form, picked) {
  const data = new FormData();
  data.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  data.append("team", form.elements.team.value);
  data.append("paths", JSON.stringify(picked.map(({ path }) => path)));
  for (const { file } of picked) data.append("files", file, file.name);
  return data;
}

function showKept(form, { digest, names, size }) {
  form.elements.code.value = digest;
  form.elements.refused.value = "";
  form.querySelector("[data-kept]").hidden = !digest;
  form.querySelector("[data-kept-names]").textContent = names;
  form.querySelector("[data-kept-size]").textContent = size;
  form.querySelector("[data-choose-words]").textContent = digest ? "Replace" : "Choose the script and its files, or one zip";
  form.querySelector("[data-drop-files]").hidden = !digest;
  form.querySelector('[data-problems="files"]').replaceChildren();
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

function wireDrop(area, send) {
  area.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    area.classList.add("is-over");
  });
  area.addEventListener("dragleave", () => area.classList.remove("is-over"));
  area.addEventListener("drop", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    area.classList.remove("is-over");
    send(event.dataTransfer.files);
  });
}
