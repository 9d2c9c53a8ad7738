// The position rail: the states of all rows along the sort, where the best and ticked ones
// are, and the part in sight. A click or a drag jumps; a phone draws it flat.

// jump(share): the row at this share of the list comes to the top.
export function wireRail(rail, { jump }) {
  const track = rail.querySelector("[data-rail-track]");
  const marks = rail.querySelector("[data-rail-marks]");
  const words = rail.querySelector("[data-rail-window]");
  let rows = 0;
  let ticked = [];

  const isFlat = () => rail.clientWidth > rail.clientHeight;

  function draw(next, total) {
    rows = total;
    rail.hidden = !next || total === 0;
    if (rail.hidden) return;
    track.replaceChildren(...runs(next.steps).map(segment));
    const shown = next.marks.map(({ index, text }) => mark(index / total, text));
    if (next.best !== null && next.best !== undefined) shown.push(mark(next.best / total, "★", "rail-best"));
    marks.replaceChildren(...shown, ...ticked.map((index) => mark(index / total, "", "rail-tick")));
  }

  // The rows that are ticked, by their index.
  function tick(indexes) {
    ticked = indexes;
    for (const old of marks.querySelectorAll(".rail-tick")) old.remove();
    marks.append(...ticked.map((index) => mark(index / rows, "", "rail-tick")));
  }

  // first and last: rows in sight, from 1.
  function move({ first, last, rows: total }) {
    if (rail.hidden || total === 0) return;
    words.style.setProperty("--from", (first - 1) / total);
    words.style.setProperty("--share", (last - first + 1) / total);
    words.title = `${first} to ${last}`;
    rail.setAttribute("aria-valuemax", String(total));
    rail.setAttribute("aria-valuenow", String(first));
    rail.setAttribute("aria-valuetext", `Rows ${first} to ${last} of ${total}`);
  }

  function at(event) {
    const box = track.getBoundingClientRect();
    const share = isFlat() ? (event.clientX - box.left) / box.width : (event.clientY - box.top) / box.height;
    jump(Math.max(0, Math.min(1, share)));
  }

  rail.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    rail.setPointerCapture(event.pointerId);
    at(event);
  });
  rail.addEventListener("pointermove", (event) => {
    if (rail.hasPointerCapture(event.pointerId)) at(event);
  });
  rail.addEventListener("keydown", (event) => {
    const now = Number(rail.getAttribute("aria-valuenow")) - 1;
    const page = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 20, PageUp: -20 }[event.key];
    const to = { Home: 0, End: rows - 1 }[event.key] ?? (page ? now + page : null);
    if (to === null) return;
    event.preventDefault();
    jump(Math.max(0, Math.min(1, to / Math.max(1, rows))));
  });
  return { draw, move, tick };
}

// Equal states in a row, as [state, share].
function runs(steps) {
  const found = [];
  for (const state of steps) {
    if (found.at(-1)?.[0] === state) found.at(-1)[1] += 1 / steps.length;
    else found.push([state, 1 / steps.length]);
  }
  return found;
}

function segment([state, share]) {
  const part = document.createElement("i");
  part.className = `state-${state}`;
  part.style.flexGrow = share;
  return part;
}

function mark(share, text, name = "") {
  const part = document.createElement("span");
  part.className = `rail-mark ${name}`.trim();
  part.style.setProperty("--at", share);
  part.textContent = text;
  return part;
}
