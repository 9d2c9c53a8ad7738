// What the server says about the search space: pictures, shares, samples and ranges.

export function showSpace(form, answer) {
  showRows(form, answer.rows);
  showRules(form, answer);
  for (const name of ["samples", "ranges"]) {
    const place = form.querySelector(`[data-${name}-place]`);
    if (place.innerHTML.trim() !== answer[name].trim()) place.innerHTML = answer[name];
  }
}

function showRows(form, rows) {
  const elements = form.querySelectorAll("[data-rows] > [data-row]:not([hidden])");
  if (elements.length !== rows.length) return; // another answer is on its way
  elements.forEach((element, index) => {
    const row = rows[index];
    const set = (selector, text) => {
      element.querySelector(selector).textContent = text;
    };
    element.classList.toggle("is-wrong", Boolean(element.querySelector(".is-wrong")));
    set("[data-hint]", row.hint);
    set("[data-summary]", row.summary);
    set("[data-summary-when]", row.condition ? `, if ${row.condition}` : "");
    set("[data-condition-words]", row.condition);
    set("[data-share]", row.share);
    element.querySelector(".space-when").hidden = !row.condition;
    for (const place of element.querySelectorAll("[data-picture]")) place.innerHTML = row.picture;
    element.querySelector("[data-repairs]").replaceChildren(...row.repairs.map(repairButton));
  });
}

function repairButton([value, words]) {
  const button = document.createElement("button");
  Object.assign(button, { type: "submit", name: "do", value, textContent: words });
  button.className = "button button-link";
  return button;
}

function showRules(form, answer) {
  const rules = form.querySelectorAll("[data-constraints] > [data-constraint]:not([hidden])");
  const problem = form.querySelector("[data-rules-problem]");
  problem.hidden = !answer.rules_problem;
  problem.querySelector("span").textContent = answer.rules_problem;
  if (rules.length !== answer.rules.length) return;
  rules.forEach((rule, index) => {
    const share = rule.querySelector("[data-rule-share]");
    [share.querySelector("[data-words]").textContent, share.dataset.state] = answer.rules[index];
  });
}

// Buttons for ten samples and for ranges from earlier sweeps.
export function wireOffers(form, preview) {
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-samples], [data-ranges], [data-no], [data-take]");
    if (!button) return;
    event.preventDefault();
    const { samples, ranges } = form.elements;
    if ("samples" in button.dataset) samples.value = Number(samples.value) + 1;
    else if ("ranges" in button.dataset) ranges.value = "1";
    else if (button.dataset.no) form.elements[button.dataset.no].value = "";
    else take(form, button.dataset);
    preview.ask();
  });
}

function take(form, { take: number, texts }) {
  let last = null;
  for (const [name, text] of Object.entries(JSON.parse(texts))) {
    last = form.elements[`row-${number}-${name}`];
    last.value = text;
    last.dispatchEvent(new Event("change", { bubbles: true }));
  }
  last?.focus();
}
