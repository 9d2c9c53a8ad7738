// Keys of the table: j k move, x ticks, Shift+x up to here, ← → close and open, Enter opens
// the trial, g goes to a row, f filters. They do nothing while a person types.

export function wireKeys(root, { rows, tick, range, filter, goTo }) {
  const rowOf = (event) => event.target.closest?.("tr[data-number], tr[data-group]") ?? null;

  function tickOne(row, isRange) {
    const box = row?.querySelector("input.tick");
    if (!box) return;
    if (isRange) range(row, true);
    else tick(row, !box.checked);
  }

  function fold(row, open) {
    const found = row && rows.groupOf(row);
    if (found) rows.toggle(found.key, found.index, { open });
  }

  const acts = {
    j: () => rows.move(1),
    k: () => rows.move(-1),
    x: (row) => tickOne(row, false),
    X: (row) => tickOne(row, true),
    ArrowRight: (row) => fold(row, true),
    ArrowLeft: (row) => fold(row, false),
    Enter: (row) => row?.querySelector("a[href]")?.click(),
    g: () => goTo.focus(),
    f: () => filter.focus(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.matches?.("input:not(.tick), select, textarea, [contenteditable]")) return;
    if (document.querySelector("dialog[open], :popover-open")) return;
    const row = rowOf(event);
    const act = acts[event.key];
    if (!act || (!row && ["Enter", "ArrowRight", "ArrowLeft", "x", "X"].includes(event.key))) return;
    if (event.key === "Enter" && event.target.matches("a, button")) return;
    event.preventDefault();
    act(row);
  });
}
