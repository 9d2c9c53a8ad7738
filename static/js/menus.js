// Menus are popovers: the browser opens, places and closes them, with or without scripts.
// Here they get arrow keys, and close once a button in them has done something.

export function wireMenus(root = document) {
  root.addEventListener("keydown", move);
  root.addEventListener("click", (event) => {
    event.target.closest("button.menu-item")?.closest(".menu:popover-open")?.hidePopover();
  });
}

function move(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const menu = event.target.popoverTargetElement ?? event.target.closest(".menu");
  if (!step || !menu) return;
  event.preventDefault();
  if (!menu.matches(":popover-open")) event.target.click();
  const items = [...menu.querySelectorAll("a, button")];
  const next = items.indexOf(event.target) + step;
  items[Math.max(0, Math.min(next, items.length - 1))].focus();
}
