// The table of trials: rows kept fresh, ticks kept through it and in the URL, and the
// comparison of ticked trials.

// The ids of all ticked trials, also of those on other pages and of rows that have left.
const picked = new Set((new URL(location.href).searchParams.get("ticked") ?? "").split(",").filter(Boolean));

function parsed(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.firstElementChild;
}

// Puts the rows into the given order; new ones fade in, gone ones go. What has the focus
// keeps it, since a row that looks the same is left alone.
export function showRows(body, order, rows) {
  const old = new Map([...body.children].map((row) => [row.dataset.row, row]));
  const next = order.map((id) => {
    const key = String(id);
    const before = old.get(key);
    const html = rows[id];
    if (html === undefined) return before;
    const row = parsed(html);
    const box = row.querySelector("input.tick");
    if (box) box.checked = picked.has(key);
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
  const rows = [...form.querySelectorAll("tr[data-row]")];
  for (const row of rows) row.classList.toggle("is-marked", picked.has(row.dataset.row));
  const elsewhere = picked.size - rows.filter((row) => picked.has(row.dataset.row)).length;
  const words = form.querySelector("[data-ticked-count]");
  words.hidden = picked.size === 0;
  words.textContent = `${picked.size} selected${elsewhere ? `, ${elsewhere} not shown here` : ""}`;
  form.querySelector("[data-compare-plain]").setAttribute("aria-disabled", String(picked.size < 2));
  form.querySelector("[data-again]")?.setAttribute("aria-disabled", String(picked.size < 1));
  form.querySelector("[data-compare-best]")?.setAttribute("aria-disabled", String(picked.size < 1));
}

function rememberTicked() {
  const url = new URL(location.href);
  if (picked.size > 0) url.searchParams.set("ticked", [...picked].join(","));
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
  const ids = [...new Set([...best, ...picked])];
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
  const ids = [...picked];
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
    const box = event.target;
    if (!box.matches("input.tick")) return;
    if (box.checked) picked.add(box.value);
    else picked.delete(box.value);
    showTicked(form);
    rememberTicked();
  });
  form.addEventListener("submit", compare);
  showTicked(form);
}

export function refreshTicked(root) {
  const form = root.querySelector("[data-compare]");
  if (form) showTicked(form);
}
