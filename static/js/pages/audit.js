/* Days of the audit log are picked by dragging, or with Shift and the arrow keys. */

const list = document.querySelector("[data-day-bars]");
const bars = [...list.querySelectorAll("a[data-day]")];
let from = null;
let to = null;
let dragged = false;

const indexAt = (event) => {
  const hit = document.elementFromPoint(event.clientX, event.clientY);
  return bars.indexOf(hit?.closest("a[data-day]"));
};

function show() {
  const [first, last] = [Math.min(from, to), Math.max(from, to)];
  bars.forEach((bar, index) => {
    const picked = index >= first && index <= last;
    if (picked) bar.setAttribute("aria-current", "true");
    else bar.removeAttribute("aria-current");
  });
}

function open() {
  const url = new URL(location.href);
  const days = [bars[Math.min(from, to)], bars[Math.max(from, to)]].map((bar) => bar.dataset.day);
  for (const name of ["before", "after"]) url.searchParams.delete(name);
  url.searchParams.set("from", days[0]);
  url.searchParams.set("to", days[1]);
  location.assign(url);
}

list.addEventListener("pointerdown", (event) => {
  const index = indexAt(event);
  if (index < 0 || event.button) return;
  from = to = index;
  dragged = false;
});
document.addEventListener("pointermove", (event) => {
  if (from === null || !(event.buttons & 1)) return;
  const index = indexAt(event);
  if (index < 0 || index === to) return;
  to = index;
  dragged = true;
  show();
});
document.addEventListener("pointerup", () => {
  if (dragged) open();
  else from = to = null;
});
list.addEventListener("dragstart", (event) => event.preventDefault());
list.addEventListener("click", (event) => {
  if (dragged) event.preventDefault();
});
list.addEventListener("keydown", (event) => {
  const here = bars.indexOf(event.target.closest("a[data-day]"));
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (here < 0) return;
  if (step) {
    event.preventDefault();
    const next = Math.min(bars.length - 1, Math.max(0, here + step));
    from = event.shiftKey ? (from ?? here) : null;
    to = event.shiftKey ? next : null;
    bars[next].focus();
    if (event.shiftKey) show();
  } else if (event.key === "Enter" && from !== null) {
    event.preventDefault();
    open();
  }
});
