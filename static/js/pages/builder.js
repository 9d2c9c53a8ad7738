// The builder comes to life: rows are added and moved in place, and a moment after every
// change the server checks the form and draws from it. Without scripts all of it works by
// sending the form.

import { wireAutosave } from "../builder/autosave.js";
import { wireFiles } from "../builder/file_picker.js";
import { wireInPlace } from "../builder/in_place.js";
import { wirePreview } from "../builder/preview.js";
import { wireConstraints } from "../builder/constraints.js";
import { wireOffers } from "../builder/space_answer.js";
import { wireRows } from "../builder/space_rows.js";
import { wireTwin } from "../builder/twin.js";

const form = document.querySelector("[data-builder]");

// Parts of the form that belong to one sampler or policy.
function wirePicked(name) {
  const parts = form.querySelectorAll(`[data-for-${name}]`);
  const show = () => {
    const picked = form.elements[name]?.value ?? "";
    for (const part of parts) {
      part.hidden = !part.getAttribute(`data-for-${name}`).split(" ").includes(picked);
    }
  };
  form.addEventListener("change", show);
  show();
}

// Phones show the form or its YAML.
function wireViews() {
  const group = form.querySelector("[data-views]");
  const show = (view) => {
    form.dataset.view = view;
    for (const button of group.querySelectorAll("[data-show]")) {
      button.setAttribute("aria-pressed", String(button.dataset.show === view));
    }
  };
  group.addEventListener("click", (event) => {
    const button = event.target.closest("[data-show]");
    if (button) show(button.dataset.show);
  });
  show(form.dataset.view);
  return show;
}

// A link to a field opens what hides it and puts the cursor there.
function wireLinks(showView, openRow) {
  form.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    const field = link && document.getElementById(link.hash.slice(1));
    if (!field) return;
    event.preventDefault();
    reveal(field, showView, openRow);
  });
}

function reveal(field, showView, openRow) {
  showView(field.closest(".builder-twin") ? "yaml" : "form");
  field.closest("details")?.setAttribute("open", "");
  const row = field.closest("[data-row]");
  if (row) openRow(row);
  field.focus({ preventScroll: true });
  field.scrollIntoView({ block: "center" });
}

function firstFocus(showView, openRow) {
  const wrong = form.querySelector('[name="shows"]').value && form.querySelector("[data-bar] a");
  const id = form.dataset.focus || wrong?.hash?.slice(1);
  const field = id && document.getElementById(id);
  if (field) reveal(field, showView, openRow);
}

// A click too many must not send the form again while the first one is under way.
function wireOnce() {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  addEventListener("pageshow", () => {
    sent = false;
  });
}

// Enter in the name of a template saves it; elsewhere it checks the form.
function wireTemplateName() {
  document.querySelector("[data-template-name]")?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    document.querySelector("[data-save-template]").click();
  });
}

if (form) {
  const preview = wirePreview(form);
  const rows = wireRows(form, preview);
  wireConstraints(form, preview);
  wireOffers(form, preview);
  const showView = wireViews();
  wirePicked("sampler");
  wirePicked("policy");
  if (!form.elements.files.matches(":disabled")) wireFiles(form, preview);
  wireInPlace(form, preview);
  wireTwin(form);
  wireLinks(showView, rows.open);
  wireAutosave(form);
  wireOnce();
  wireTemplateName();
  firstFocus(showView, rows.open);
}
