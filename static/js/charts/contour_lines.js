// Lines of equal value on a grid, by marching squares. Pure.

// The two sides that a line crosses in each of the 16 cases: 0 bottom, 1 right, 2 top, 3 left.
const SIDES = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
];

// Segments [[x1, y1], [x2, y2]] in cells, the center of the first cell at (0.5, 0.5).
// cells: row by row from the bottom left, null where nothing is known.
export function segmentsAt(level, cells, columns, rows) {
  const segments = [];
  const at = (x, y) => cells[y * columns + x];
  for (let y = 0; y + 1 < rows; y += 1) {
    for (let x = 0; x + 1 < columns; x += 1) {
      const corners = [at(x, y), at(x + 1, y), at(x + 1, y + 1), at(x, y + 1)];
      if (corners.some((value) => value === null || value === undefined)) continue;
      const kind = corners.reduce((sum, value, k) => sum + (value >= level ? 1 << k : 0), 0);
      for (const sides of SIDES[kind]) segments.push(sides.map((side) => crossing(side, corners, level, x, y)));
    }
  }
  return segments;
}

function crossing(side, [a, b, c, d], level, x, y) {
  const share = (from, to) => (to === from ? 0.5 : (level - from) / (to - from));
  const [left, bottom] = [x + 0.5, y + 0.5];
  if (side === 0) return [left + share(a, b), bottom];
  if (side === 1) return [left + 1, bottom + share(b, c)];
  if (side === 2) return [left + share(d, c), bottom + 1];
  return [left, bottom + share(a, d)];
}

// How many levels a value reaches: the band that it is in.
export function bandOf(value, levels) {
  return levels.reduce((band, level) => band + (value >= level ? 1 : 0), 0);
}
