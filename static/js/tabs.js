// Tabs inside a card: links to panels, of which one is shown. Without scripts all panels
// are there and the links jump. Left and right arrows go through the tabs.

// Where an arrow key leads from tab `index` of `count`, or null. Pure.
export function nextTab(key, index, count) {
  if (key === "ArrowRight") return (index + 1) % count;
  if (key === "ArrowLeft") return (index + count - 1) % count;
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  return null;
}

function show(group, tab) {
  for (const other of group.querySelectorAll("[role=tab]")) {
    const picked = other === tab;
    other.setAttribute("aria-selected", String(picked));
    other.tabIndex = picked ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls"))?.classList.toggle("is-active", picked);
  }
}

function wire(group) {
  const tabs = [...group.querySelectorAll("[role=tab]")];
  if (tabs.length === 0) return;
  show(group, tabs.find((tab) => tab.getAttribute("aria-selected") === "true") ?? tabs[0]);
  group.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (!tab) return;
    event.preventDefault();
    show(group, tab);
  });
  group.addEventListener("keydown", (event) => {
    const index = tabs.indexOf(event.target.closest("[role=tab]"));
    const next = index < 0 ? null : nextTab(event.key, index, tabs.length);
    if (next === null) return;
    event.preventDefault();
    show(group, tabs[next]);
    tabs[next].focus();
  });
}

export function wireTabs(root = document) {
  for (const group of root.querySelectorAll("[data-tabs]")) wire(group);
}
