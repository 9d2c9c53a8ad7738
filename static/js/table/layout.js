// Which rows of a long table are in sight, where groups may be open. Pure.
//
// A line is a row as drawn. Rows have an index from 0; the children of an open group
// follow its row. `skip`: that many rows at the start are not drawn here, as the pinned
// one. All lines are equally high.

export const BLOCK = 60;

// opened: [[index, children], …] of open groups.
export function makeLayout({ rows, opened = [], skip = 0 }) {
  const groups = opened.filter(([index]) => index < rows).sort(([a], [b]) => a - b);
  const extra = groups.reduce((sum, [, children]) => sum + children, 0);
  return { rows, groups, skip: Math.min(skip, rows), lines: rows - Math.min(skip, rows) + extra };
}

// The line of a row, or of a child of it (from 0).
export function lineOf(layout, index, child = null) {
  let line = index - layout.skip;
  for (const [group, children] of layout.groups) {
    if (group < index) line += children;
  }
  return child === null ? line : line + 1 + child;
}

// {index, child} of a line; child is null for the row itself.
export function rowOf(layout, line) {
  let index = line + layout.skip;
  for (const [group, children] of layout.groups) {
    if (index <= group) break;
    if (index <= group + children) return { index: group, child: index - group - 1 };
    index -= children;
  }
  return { index, child: null };
}

// The first and the last line (excluded) to draw, some more than are in sight.
export function linesInSight({ top, height, rowHeight, lines, more = 12 }) {
  const first = Math.max(0, Math.min(lines, Math.floor(top / rowHeight) - more));
  const last = Math.min(lines, Math.ceil((top + height) / rowHeight) + more);
  return { first, last: Math.max(first, last) };
}

// The blocks that hold these indexes.
export function blocksOf(indexes) {
  return [...new Set(indexes.map((index) => Math.floor(index / BLOCK)))].sort((a, b) => a - b);
}
