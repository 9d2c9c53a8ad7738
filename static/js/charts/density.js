// Density: how many trials are where, as tones of one color. 10 steps of the logarithm.

import { channels } from "./defaults.js";

const STEPS = 10;

// Counts of lines between neighboring axes on a grid of `columns` by `rows` cells.
// places: for each axis, the cell row of each line (may be between rows); weights: how
// much each counts, or null. Pure.
export function lineCounts(rowsToDraw, from, to, { columns, rows, weights = null }) {
  const counts = new Float32Array(columns * rows);
  const along = Float64Array.from({ length: columns }, (_, k) => blend((k + 0.5) / columns));
  const top = rows - 1;
  for (const row of rowsToDraw) {
    const start = from[row];
    const way = to[row] - start;
    const weight = weights ? weights[row] : 1;
    for (let k = 0; k < columns; k += 1) {
      const at = start + way * along[k];
      counts[k * rows + (at < 0 ? 0 : at > top ? top : at | 0)] += weight;
    }
  }
  return counts;
}

// How far a line has come along between two axes at a share of the way across: the cubic
// with both handles in the middle, solved for its parameter by Newton's method.
export function blend(share) {
  let t = share;
  for (let k = 0; k < 5; k += 1) {
    const x = 1.5 * t - 1.5 * t * t + t ** 3;
    const slope = 1.5 - 3 * t + 3 * t * t;
    t -= (x - share) / slope;
  }
  return 3 * t * t - 2 * t ** 3;
}

// Counts of points on a grid, from positions in cells. Pure.
export function pointCounts(rowsToDraw, xs, ys, { columns, rows, weights = null }) {
  const counts = new Float32Array(columns * rows);
  for (const row of rowsToDraw) {
    const x = xs[row] | 0;
    const y = ys[row] | 0;
    if (!(xs[row] >= 0 && ys[row] >= 0) || x >= columns || y >= rows) continue;
    counts[x * rows + y] += weights ? weights[row] : 1;
  }
  return counts;
}

// The step of a count, 0 for none and 1 to 10 by its logarithm. perStep: steps for each
// unit of the logarithm, 0 where all counts are alike. Pure.
export function stepOf(count, { little, perStep }) {
  if (!(count > 0)) return 0;
  if (perStep === 0) return STEPS / 2;
  const step = Math.round(Math.log(count / little) * perStep);
  return 1 + (step < 0 ? 0 : step > STEPS - 1 ? STEPS - 1 : step);
}

// What is little and the most of some counts: a tenth of the cells hold less. Pure.
export function rangeOf(counts) {
  // A part of many tells enough of what is little.
  const stride = Math.max(1, Math.floor(counts.length / 4000));
  let most = 0;
  for (const count of counts) if (count > most) most = count;
  const found = [];
  for (let k = 0; k < counts.length; k += stride) if (counts[k] > 0) found.push(counts[k]);
  if (found.length === 0) return { little: Math.min(1, most), most };
  found.sort((a, b) => a - b);
  return { little: found[Math.floor(found.length / 10)], most };
}

// A picture of counts in a color, at most `strength` opaque.
export function picture(counts, { columns, rows, color, strength = 0.75 }) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const ctx = canvas.getContext("2d");
  const image = ctx.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const [red, green, blue] = channels(color);
  // The bytes of a pixel are red, green, blue and alpha.
  const tones = Uint32Array.from({ length: STEPS + 1 }, (_, step) => {
    const alpha = step === 0 ? 0 : Math.round(255 * strength * (0.08 + (0.92 * step) / STEPS));
    return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
  const { little, most } = rangeOf(counts);
  const perStep = most > little ? (STEPS - 1) / Math.log(most / little) : 0;
  for (let x = 0; x < columns; x += 1) {
    for (let y = 0; y < rows; y += 1) {
      const count = counts[x * rows + y];
      if (count > 0) pixels[y * columns + x] = tones[stepOf(count, { little, perStep })];
    }
  }
  ctx.putImageData(image, 0, 0);
  return canvas;
}
