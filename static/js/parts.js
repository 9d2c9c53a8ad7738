// Parts of a page that its feed sends anew as HTML, rendered and escaped by our server.

import { refreshTimes } from "./format.js";

// What the server sent for a part last: a chart that was drawn in it since is no reason
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

// Replaces what stands in the part, unless it is the same already or a menu in it is
// open. release(part) is called before, to take down what lives in it.
export function showPart(part, html, { release = () => {} } = {}) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  if (fresh.innerHTML === standsIn(part) || part.querySelector(".menu:popover-open")) return;
  sent.set(part, fresh.innerHTML);
  const focused = focusedTarget(part);
  release(part);
  part.replaceChildren(fresh.content);
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
