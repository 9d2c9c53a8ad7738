// The rows of a long table: only those in sight are in the page. The server sends them as
// HTML, in blocks; what has the focus keeps it through every update.

import { BLOCK, blocksOf, lineOf, linesInSight, makeLayout, rowOf } from "./layout.js";

const WAIT = 80;
// Rows that fade in at once: with more, each frame costs and none stands out.
const MAX_FADING = 5;

export function createRows({ scroller, body, pinned, ask, decorate, onDrawn }) {
  let known = new Map(); // index: row
  let marks = new Map(); // block: what the server said it was as of
  let children = new Map(); // key of an open group: its rows
  let opened = new Map(); // key: index
  let drawn = new Map(); // name of a line: its <tr>
  let rows = 0;
  let best = null;
  let round = 0; // of the query: answers of an earlier one are dropped
  let timer = null;
  const asked = new Set();
  const spacers = [spacer(), spacer()];

  const rowHeight = () => Number.parseFloat(getComputedStyle(scroller).getPropertyValue("--row-height"));
  const headHeight = () => (body.closest("table").tHead?.offsetHeight ?? 0) + pinned.offsetHeight;
  const skip = () => (best && known.get(0)?.id === best.id ? 1 : 0);
  const layout = () =>
    makeLayout({ rows, skip: skip(), opened: [...opened].map(([key, index]) => [index, children.get(key)?.length ?? 0]) });

  // What is read of the page's layout: once for each drawing, before it changes anything.
  const measure = () => ({ top: scroller.scrollTop, height: scroller.clientHeight - headHeight(), rowHeight: rowHeight() });
  const inSight = (view = measure()) => linesInSight({ ...view, lines: layout().lines });

  // ---- asking -------------------------------------------------------------------------

  function take(answer, from) {
    rows = answer.matching;
    if (answer.mark && from % BLOCK === 0) marks.set(from / BLOCK, answer.mark);
    if (answer.best !== undefined) showBest(answer.best);
    answer.rows.forEach((row, place) => {
      known.set(from + place, row);
      if (row.key && opened.has(row.key)) opened.set(row.key, from + place);
    });
  }

  async function fill() {
    const missing = [];
    const at = layout();
    const { first, last } = inSight();
    for (let line = first; line < last; line += 1) {
      const { index } = rowOf(at, line);
      if (!known.has(index)) missing.push(index);
    }
    const now = round;
    for (const block of blocksOf(missing).filter((each) => !asked.has(each))) {
      asked.add(block);
      const answer = await ask({ from: block * BLOCK, count: BLOCK });
      if (now !== round) return;
      asked.delete(block);
      if (!answer || answer.error) continue;
      take(answer, answer.from ?? block * BLOCK);
      draw();
    }
  }

  function planFill() {
    clearTimeout(timer);
    timer = setTimeout(fill, WAIT);
  }

  // A new query's first answer; `index` comes to the top.
  function start(answer, { index = 0 } = {}) {
    round += 1;
    asked.clear();
    [known, marks, children, opened, drawn] = [new Map(), new Map(), new Map(), new Map(), new Map()];
    take(answer, answer.from ?? 0);
    draw();
    scrollTo(index);
  }

  // A block as it is now. Rows that look as before come without HTML, unless they were
  // elsewhere.
  async function askAgain(block) {
    const part = { from: block * BLOCK, count: BLOCK };
    const answer = await ask({ ...part, since: marks.get(block) ?? "" });
    if (!answer?.rows) return answer;
    const html = new Map([...known.values()].map((row) => [row.id, row.html]));
    const again = answer.rows.map((row) => ({ html: html.get(row.id), ...row }));
    return again.every((row) => row.html) ? { ...answer, rows: again } : ask(part);
  }

  // What a block holds, as an answer.
  function heldRows(block) {
    const held = Array.from({ length: BLOCK }, (_, place) => known.get(block * BLOCK + place));
    return { rows: held.filter(Boolean), matching: rows, mark: marks.get(block) };
  }

  // The blocks in sight once more; the others are asked for again when they are needed.
  // Returns an answer that has changed, if one has. whole: every row may look different.
  async function refresh({ whole = false } = {}) {
    if (whole) marks.clear();
    const now = (round += 1);
    asked.clear();
    const at = layout();
    const { first, last } = inSight();
    const indexes = [];
    for (let line = first; line < Math.max(last, first + 1); line += 1) indexes.push(rowOf(at, line).index);
    const blocks = blocksOf(indexes);
    const answers = await Promise.all(blocks.map(askAgain));
    if (now === round && answers.every((answer) => answer?.changed === false)) return null;
    const again = await Promise.all([...opened.keys()].map(async (key) => [key, await ask({ group_of: key })]));
    if (now !== round || answers.some((answer) => !answer || answer.error)) return null;
    const fresh = answers.map((answer, place) => (answer.changed === false ? heldRows(blocks[place]) : answer));
    [known, marks] = [new Map(), new Map()];
    fresh.forEach((answer, place) => take(answer, blocks[place] * BLOCK));
    for (const [key, answer] of again) if (answer?.rows) children.set(key, answer.rows);
    draw();
    return answers.find(({ changed }) => changed !== false) ?? null;
  }

  // ---- drawing ------------------------------------------------------------------------

  function showBest(next) {
    best = next;
    if ((next?.html ?? "") === (pinned.dataset.html ?? "")) return;
    pinned.dataset.html = next?.html ?? "";
    pinned.innerHTML = next?.html ?? "";
    for (const row of pinned.rows) decorate(row);
  }

  function draw() {
    const at = layout();
    const view = measure();
    const { first, last } = inSight(view);
    const next = new Map();
    const changed = [];
    for (let line = first; line < last; line += 1) {
      const { index, child } = rowOf(at, line);
      const row = child === null ? known.get(index) : children.get(known.get(index)?.key)?.[child];
      const name = row ? (row.key && child === null ? `group ${row.key}` : `row ${row.id}`) : `line ${line}`;
      const before = drawn.get(name);
      next.set(name, element(before, row, line));
      if (before && row && next.get(name) !== before) changed.push(next.get(name));
    }
    if (changed.length <= MAX_FADING) for (const row of changed) row.classList.add("is-new");
    spacers[0].style.height = `${first * view.rowHeight}px`;
    spacers[1].style.height = `${(at.lines - last) * view.rowHeight}px`;
    placeRows(body, [spacers[0], ...next.values(), spacers[1]]);
    drawn = next;
    onDrawn(seen(at, view));
    planFill();
  }

  function element(before, row, line) {
    if (before && before.shown === row?.html) {
      before.ariaRowIndex = String(line + 2);
      return before;
    }
    const made = row ? parsed(row.html) : waiting();
    made.shown = row?.html;
    made.ariaRowIndex = String(line + 2);
    if (row?.key) made.querySelector(".group-toggle")?.setAttribute("aria-expanded", String(opened.has(row.key)));
    decorate(made);
    return made;
  }

  // Which rows can be seen now, from 1.
  function seen(at, view) {
    if (at.lines === 0) return { first: 0, last: 0, rows };
    const top = Math.floor(view.top / view.rowHeight);
    const bottom = Math.ceil((view.top + view.height) / view.rowHeight) - 1;
    const within = (line) => rowOf(at, Math.max(0, Math.min(at.lines - 1, line))).index + 1;
    const first = top === 0 ? 1 : within(top); // The pinned one counts.
    return { first, last: Math.max(first, within(bottom)), rows };
  }

  // ---- moving -------------------------------------------------------------------------

  function scrollTo(index) {
    scroller.scrollTop = Math.max(0, lineOf(layout(), index)) * rowHeight();
    draw();
  }

  // Brings a line into sight with the focus on its row, once it is there.
  function focusLine(line) {
    const height = rowHeight();
    const [top, space] = [line * height, scroller.clientHeight - headHeight()];
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + height > scroller.scrollTop + space) scroller.scrollTop = top + height - space;
    draw();
    body.querySelector(`tr[aria-rowindex="${line + 2}"]`)?.focus({ preventScroll: true });
  }

  function move(step) {
    const row = document.activeElement?.closest?.("tr[aria-rowindex]");
    const { lines } = layout();
    const now = row && body.contains(row) ? Number(row.ariaRowIndex) - 2 : Math.floor(scroller.scrollTop / rowHeight()) - 1;
    if (lines > 0) focusLine(Math.max(0, Math.min(lines - 1, now + step)));
  }

  async function toggle(key, index, { open = !opened.has(key) } = {}) {
    if (open === opened.has(key)) return;
    if (open) {
      const answer = await ask({ group_of: key });
      if (!answer?.rows) return;
      children.set(key, answer.rows);
      opened.set(key, index);
    } else {
      opened.delete(key);
    }
    const row = drawn.get(`group ${key}`) ?? pinned.querySelector(`tr[data-group="${CSS.escape(key)}"]`);
    row?.querySelector(".group-toggle")?.setAttribute("aria-expanded", String(open));
    draw();
  }

  // The group that a row heads or belongs to: {key, index}.
  function groupOf(row) {
    if (pinned.contains(row)) return skip() === 1 && row.dataset.group ? { key: row.dataset.group, index: 0 } : null;
    const line = Number(row.ariaRowIndex) - 2;
    const { index } = rowOf(layout(), line);
    const key = known.get(index)?.key;
    return key ? { key, index } : null;
  }

  scroller.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  new ResizeObserver(() => draw()).observe(scroller);

  return { start, refresh, draw, scrollTo, move, toggle, groupOf, drawnRows: () => [...pinned.rows, ...body.querySelectorAll("tr[data-number], tr[data-group]")] };
}

export function parsed(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.firstElementChild;
}

// Makes these the rows of a body; what has the focus keeps it.
export function placeRows(body, rows) {
  const focused = body.contains(document.activeElement) ? document.activeElement : null;
  const again = focused ? path(focused) : null;
  rows.forEach((row, k) => {
    if (body.children[k] !== row) body.insertBefore(row, body.children[k] ?? null);
  });
  while (body.children.length > rows.length) body.lastElementChild.remove();
  if (again && document.activeElement !== focused) body.querySelector(again)?.focus({ preventScroll: true });
}

function spacer() {
  return parsed('<tr class="spacer" aria-hidden="true"><td colspan="99"></td></tr>');
}

function waiting() {
  return parsed('<tr class="row-waits" aria-hidden="true"><td colspan="99"><span></span></td></tr>');
}

// Where the focus finds its element again in a row that was drawn anew.
function path(element) {
  const row = element.closest("tr");
  if (!row) return null;
  const name = row.dataset.group ? `tr[data-group="${CSS.escape(row.dataset.group)}"]` : `tr[data-row="${row.dataset.row}"]`;
  if (element === row) return name;
  const part = ["input.tick", ".group-toggle", "a"].find((selector) => element.matches(selector));
  return part ? `${name} ${part}` : name;
}
