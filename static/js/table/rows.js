// The rows of a long table: only those in sight are in the page. The server sends them as
// HTML, in blocks; what has the focus keeps it through every update.

import { BLOCK, blocksOf, lineOf, linesInSight, makeLayout, rowOf } from "./layout.js";

const WAIT = 80;

export function createRows({ scroller, body, pinned, ask, decorate, onDrawn }) {
  let known = new Map(); // index: row
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

  function inSight() {
    return linesInSight({
      top: scroller.scrollTop,
      height: scroller.clientHeight - headHeight(),
      rowHeight: rowHeight(),
      lines: layout().lines,
    });
  }

  // ---- asking -------------------------------------------------------------------------

  function take(answer, from) {
    rows = answer.matching;
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
    [known, children, opened, drawn] = [new Map(), new Map(), new Map(), new Map()];
    take(answer, answer.from ?? 0);
    draw();
    scrollTo(index);
  }

  // The blocks in sight once more; the others are asked for again when they are needed.
  async function refresh() {
    const now = (round += 1);
    asked.clear();
    const at = layout();
    const { first, last } = inSight();
    const indexes = [];
    for (let line = first; line < Math.max(last, first + 1); line += 1) indexes.push(rowOf(at, line).index);
    const blocks = blocksOf(indexes);
    const answers = await Promise.all(blocks.map((block) => ask({ from: block * BLOCK, count: BLOCK })));
    const again = await Promise.all([...opened.keys()].map(async (key) => [key, await ask({ group_of: key })]));
    if (now !== round || answers.some((answer) => !answer || answer.error)) return null;
    known = new Map();
    answers.forEach((answer, place) => take(answer, answer.from ?? blocks[place] * BLOCK));
    for (const [key, answer] of again) if (answer?.rows) children.set(key, answer.rows);
    draw();
    return answers[0] ?? null;
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
    const { first, last } = inSight();
    const next = new Map();
    for (let line = first; line < last; line += 1) {
      const { index, child } = rowOf(at, line);
      const row = child === null ? known.get(index) : children.get(known.get(index)?.key)?.[child];
      const name = row ? (row.key && child === null ? `group ${row.key}` : `row ${row.id}`) : `line ${line}`;
      next.set(name, element(drawn.get(name), row, line));
    }
    spacers[0].style.height = `${first * rowHeight()}px`;
    spacers[1].style.height = `${(at.lines - last) * rowHeight()}px`;
    placeRows(body, [spacers[0], ...next.values(), spacers[1]]);
    drawn = next;
    onDrawn(seen(at));
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
    if (before && row) made.classList.add("is-new");
    if (row?.key) made.querySelector(".group-toggle")?.setAttribute("aria-expanded", String(opened.has(row.key)));
    decorate(made);
    return made;
  }

  // Which rows can be seen now, from 1.
  function seen(at) {
    if (at.lines === 0) return { first: 0, last: 0, rows };
    const top = Math.floor(scroller.scrollTop / rowHeight());
    const bottom = Math.ceil((scroller.scrollTop + scroller.clientHeight - headHeight()) / rowHeight()) - 1;
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
