// Buttons of offers and files change the form on the server, and the answer is put into
// the page without a reload.

import { paintChips } from "./chips.js";
import { showKept } from "./file_picker.js";

export function wireInPlace(form, preview) {
  let turn = Promise.resolve();
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-in-place]");
    if (!button) return;
    event.preventDefault();
    // One after the other, as each starts from what the last one made.
    turn = turn.then(() => press(form, preview, button));
  });
}

async function press(form, preview, button) {
  const data = new FormData(form);
  data.delete("files");
  data.set("do", button.value);
  try {
    const address = form.dataset.previewUrl + location.search;
    const answer = await (await fetch(address, { method: "POST", body: data })).json();
    take(form, answer, data);
    if (answer.fields.refused) preview.touch("files");
    preview.show(answer);
    focusAfter(form, button);
  } catch {
    // As without scripts.
    button.removeAttribute("data-in-place");
    form.requestSubmit(button.isConnected ? button : null);
  }
}

function take(form, { fields, kept, row_html: rows }, data) {
  const list = form.querySelector("[data-rows]");
  // Unchanged rows keep what is open in them.
  if (rows !== null) {
    list.innerHTML = rows;
    paintChips(list);
  }
  if (fields.code !== form.elements.code.value) {
    showKept(form, { names: "", size: "", ...kept, digest: fields.code });
  }
  for (const [name, text] of Object.entries(fields)) {
    const field = form.elements[name];
    // What somebody has typed since stays.
    if (field.value === (data.get(name) ?? "")) field.value = text;
  }
}

// The button that took the place of the one that was clicked, or what comes next.
function focusAfter(form, button) {
  const [kind] = button.value.split(":");
  const same = [...form.querySelectorAll("[data-in-place]")].filter((other) => other.value.startsWith(kind));
  const next = same.find((other) => other.value === button.value) ?? same[0];
  (next ?? form.querySelector("[data-add]")).focus({ preventScroll: true });
}
