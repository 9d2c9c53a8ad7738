// The table of trials: rows kept fresh, ticks kept through it and in the URL, and the
// comparison of ticked trials.

function parsed(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.firstElementChild;
}

function tickedIn(table) {
  return [...table.querySelectorAll("input.tick:checked")].map((box) => box.value);
}

// Puts the rows into the given order; new ones fade in, gone ones go. What has the focus
// keeps it, since a row that looks the same is left alone.
export function showRows(body, order, rows) {
  const old = new Map([...body.children].map((row) => [row.dataset.row, row]));
  const ticked = new Set(tickedIn(body));
  const next = order.map((id) => {
    const key = String(id);
    const before = old.get(key);
    const html = rows[id];
    if (html === undefined) return before;
    const row = parsed(html);
    const box = row.querySelector("input.tick");
    if (box) box.checked = ticked.has(key) || (!before && box.checked);
    if (!before) row.classList.add("is-new");
    return before && sameRow(before, row) ? before : row;
  });
  place(body, next.filter(Boolean));
}

function sameRow(before, after) {
  const plain = (row) => row.innerHTML.replace(/ checked=""/, "");
  return plain(before) === plain(after) && before.className.replace("is-new", "").trim() === after.className;
}

function place(body, rows) {
  const focused = body.contains(document.activeElement) ? document.activeElement : null;
  const again = focused && pathOf(focused);
  rows.forEach((row, k) => {
    if (body.children[k] !== row) body.insertBefore(row, body.children[k] ?? null);
  });
  while (body.children.length > rows.length) body.lastElementChild.remove();
  if (again && !focused.isConnected) body.querySelector(again)?.focus({ preventScroll: true });
}

function pathOf(element) {
  const row = element.closest("tr");
  return `tr[data-row="${row.dataset.row}"] ${element.matches("input") ? "input.tick" : "a"}`;
}

function showTicked(form) {
  const ticked = tickedIn(form);
  const words = form.querySelector("[data-ticked-count]");
  words.hidden = ticked.length === 0;
  words.textContent = `${ticked.length} selected`;
  for (const row of form.querySelectorAll("tr[data-row]")) {
    row.classList.toggle("is-marked", ticked.includes(row.dataset.row));
  }
  form.querySelector("[data-compare-plain]").setAttribute("aria-disabled", String(ticked.length < 2));
  form.querySelector("[data-again]")?.setAttribute("aria-disabled", String(ticked.length < 1));
  form.querySelector("[data-compare-best]")?.setAttribute("aria-disabled", String(ticked.length < 1));
}

function rememberTicked(form) {
  const url = new URL(location.href);
  const ticked = tickedIn(form);
  if (ticked.length > 0) url.searchParams.set("ticked", ticked.join(","));
  else url.searchParams.delete("ticked");
  history.replaceState(history.state, "", url);
}

// One ?trials=1,2,3 instead of a field for each box.
function compare(event) {
  const form = event.currentTarget;
  if (event.submitter?.dataset.again !== undefined) {
    askAgain(event, form);
    return;
  }
  const best = event.submitter?.dataset.compareBest === undefined ? [] : [event.submitter.value];
  const ids = [...new Set([...best, ...tickedIn(form)])];
  event.preventDefault();
  if (ids.length < 2) {
    say(form, "Select at least two trials, or one and Compare with best.");
    return;
  }
  location.assign(`${form.action}?trials=${ids.join(",")}`);
}

// The page that asks before the ticked trials run again.
function askAgain(event, form) {
  event.preventDefault();
  const ids = tickedIn(form);
  if (ids.length < 1) say(form, "Select the trials to run again.");
  else location.assign(`${event.submitter.formAction}?trials=${ids.join(",")}`);
}

function say(form, text) {
  const words = form.querySelector("[data-ticked-count]");
  words.hidden = false;
  words.textContent = text;
}

export function wireTable(root) {
  const form = root.querySelector("[data-compare]");
  if (!form) return;
  form.addEventListener("change", (event) => {
    if (!event.target.matches("input.tick")) return;
    showTicked(form);
    rememberTicked(form);
  });
  form.addEventListener("submit", compare);
  showTicked(form);
}

export function refreshTicked(root) {
  const form = root.querySelector("[data-compare]");
  if (form) showTicked(form);
}
