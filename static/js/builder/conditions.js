// Conditions: the line under a parameter that says when it counts.

export function offerNames(rows) {
  const names = rows.map((row) => row.querySelector("[name$='-name']").value.trim());
  rows.forEach((row, index) => {
    const others = names.filter((name, place) => name && place !== index && name !== names[index]);
    for (const select of row.querySelectorAll("[data-other]")) {
      const picked = select.value;
      const options = [...new Set([...others, picked])].filter(Boolean);
      select.replaceChildren(new Option("parameter", ""), ...options.map((name) => new Option(name, name)));
      select.value = picked;
    }
  });
}

// A renamed parameter keeps the conditions that name it.
function rename(rows, old, name) {
  if (!old || !name || rows.some((row) => row.querySelector("[name$='-name']").value.trim() === old)) return;
  for (const row of rows) {
    for (const select of row.querySelectorAll("[data-other]")) {
      if (select.value !== old) continue;
      select.append(new Option(name, name));
      select.value = name;
    }
  }
}

export function wireConditions(list, all, preview) {
  let old = "";
  list.addEventListener("focusin", (event) => {
    if (event.target.name?.endsWith("-name")) old = event.target.value.trim();
  });
  list.addEventListener("change", (event) => {
    if (!event.target.name?.endsWith("-name")) return;
    rename(all(), old, event.target.value.trim());
    old = event.target.value.trim();
    offerNames(all());
  });
  list.addEventListener("click", (event) => {
    const row = event.target.closest("[data-row]");
    const is = (name) => event.target.closest(`[data-${name}]`);
    if (is("when")) open(row);
    else if (is("condition-done")) close(row);
    else if (is("and")) showLine(row.querySelector("[data-condition-line].is-empty"));
    else if (is("always")) {
      clear(row);
      preview.ask();
    } else return;
    event.preventDefault();
  });
  list.addEventListener("keydown", (event) => {
    const part = event.target.closest("[data-condition]");
    if (!part || !["Escape", "Enter"].includes(event.key) || event.target.matches("button, select")) return;
    event.preventDefault();
    close(part.closest("[data-row]"));
  });
  offerNames(all());
}

function open(row) {
  row.querySelector("[data-menu]").open = false;
  const part = row.querySelector("[data-condition]");
  part.classList.add("is-open");
  part.querySelector("select").focus();
}

function close(row) {
  const part = row.querySelector("[data-condition]");
  part.classList.remove("is-open");
  const link = row.querySelector(".space-when");
  (link.hidden ? row.querySelector("summary") : link).focus();
}

function showLine(line) {
  line?.classList.remove("is-empty");
  line?.querySelector("select").focus();
}

function clear(row) {
  const part = row.querySelector("[data-condition]");
  for (const control of part.querySelectorAll("input, select")) {
    control.value = "";
    control.dispatchEvent(new Event("change", { bubbles: true }));
  }
  part.querySelectorAll("[data-condition-line]").forEach((line, index) => line.classList.toggle("is-empty", index > 0));
  row.querySelector(".space-when").hidden = true;
  close(row);
}
