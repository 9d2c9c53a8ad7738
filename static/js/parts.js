// Parts of a page that its feed replaces with HTML, which our server renders and escapes.

import { refreshTimes } from "./format.js";

// The HTML that the server sent last for a part: a chart drawn in it is not a reason
// to replace it.
const sent = new WeakMap();
for (const part of document.querySelectorAll("[data-part]")) sent.set(part, part.innerHTML);

function standsIn(part) {
  return part.querySelector("[data-chart]") ? sent.get(part) : part.innerHTML;
}

// Where a link leads, or a button sends its form to.
const target = (element) => element.getAttribute("href") ?? element.getAttribute("formaction");

// What has the focus keeps it: a link or button is found again by its target.
function focusedTarget(part) {
  return part.contains(document.activeElement) ? target(document.activeElement) : null;
}

// Replaces the content of the part, unless it is the same or a menu in it is open.
// release(part) is called first, to remove what lives in it.
export function showPart(part, html, { release = () => {} } = {}) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  if (fresh.innerHTML === standsIn(part) || part.querySelector(".menu:popover-open")) return;
  sent.set(part, fresh.innerHTML);
  const focused = focusedTarget(part);
  const opened = new Set([...part.querySelectorAll("details[id][open]")].map((details) => details.id));
  release(part);
  part.replaceChildren(fresh.content);
  for (const details of part.querySelectorAll("details[id]")) details.open ||= opened.has(details.id);
  refreshTimes(part);
  if (focused === null) return;
  const again = [...part.querySelectorAll("a, button")].find((element) => target(element) === focused);
  again?.focus({ preventScroll: true });
}

// parts: {name: html} of elements with data-part below root.
export function showParts(parts, { root = document, release } = {}) {
  for (const [name, html] of Object.entries(parts)) {
    const part = root.querySelector(`[data-part="${name}"]`);
    if (part) showPart(part, html, { release });
  }
}
