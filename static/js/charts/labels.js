// Places for words next to lines. Boxes are {x, y, width, height}, x and y the top left.

export function overlaps(a, b, gap = 2) {
  return (
    a.x < b.x + b.width + gap &&
    b.x < a.x + a.width + gap &&
    a.y < b.y + b.height &&
    b.y < a.y + a.height
  );
}

function inside(box, area) {
  return (
    box.x >= area.left &&
    box.x + box.width <= area.right &&
    box.y >= area.top &&
    box.y + box.height <= area.bottom
  );
}

// The places a label may take about its point, the preferred first: right of it,
// right and a little up or down, then left.
function places(label) {
  const { x, y, width, height, away = 8 } = label;
  const right = x + away;
  const left = x - away - width;
  const middle = y - height / 2;
  return [
    [right, middle],
    [right, middle - 5],
    [right, middle + 5],
    [right, middle - 9],
    [right, middle + 9],
    [left, middle - 6],
    [left, middle + 6],
  ].map(([px, py]) => ({ x: px, y: py, width, height }));
}

// labels: [{x, y, width, height, …}] at the points they name, the important first.
// Returns the labels that have a place, as {...label, box}; the rest is dropped rather
// than drawn over another. `taken`: boxes that are already in use.
export function placeLabels(labels, area, taken = []) {
  const used = [...taken];
  const placed = [];
  for (const label of labels) {
    const box = places(label).find(
      (place) => inside(place, area) && !used.some((other) => overlaps(place, other)),
    );
    if (!box) continue;
    used.push(box);
    placed.push({ ...label, box });
  }
  return placed;
}

// Moves the few labels of one column apart so that all fit: positions (centers) at
// least `gap` from each other and within [low, high], in the order they came in.
export function spread(centers, gap, low, high) {
  const order = centers.map((_, index) => index).sort((a, b) => centers[a] - centers[b]);
  const result = [...centers];
  let floor = low;
  for (const index of order) {
    result[index] = Math.max(result[index], floor);
    floor = result[index] + gap;
  }
  let ceiling = high;
  for (const index of [...order].reverse()) {
    result[index] = Math.min(result[index], ceiling);
    ceiling = result[index] - gap;
  }
  return result;
}

// Ticks along one line: drops those closer than `gap` to a kept one; `musts` come first.
export function thin(ticks, gap, musts = []) {
  const kept = [...musts];
  return ticks.filter((tick) => {
    if (kept.some((other) => Math.abs(other - tick.at) < gap)) return false;
    kept.push(tick.at);
    return true;
  });
}
