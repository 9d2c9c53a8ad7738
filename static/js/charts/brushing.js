// Brushes: dragging on an axis or a plot selects, dragging again narrows, the handles
// resize, Esc clears. A brush is a condition of the shared selection.

import { brushAfterKey, conditionOn, rangeOn } from "./data/axes.js";
import { withCondition } from "./data/conditions.js";
import { roundedBox } from "./marks.js";

const GRIP = 7;
// Less than this is a click.
const MOVED = 4;

// Which end of a brush a pixel is on: 0, 1, or -1. Pure.
export function edgeAt(pixels, at) {
  return pixels ? pixels.findIndex((edge) => Math.abs(edge - at) <= GRIP) : -1;
}

// Where a drag starts: at a handle the other end stays; elsewhere a new brush begins. Pure.
export function anchorOf(pixels, at) {
  const edge = edgeAt(pixels, at);
  return edge < 0 ? at : pixels[1 - edge];
}

// The brush of an axis in pixels, or null.
export function brushPixels(linked, { axis, pixelOf }) {
  const range = rangeOn(axis, linked.conditionOn(axis.field));
  return range && range.map(pixelOf);
}

// targetsAt(x, y): the axes that a drag there brushes, as [{axis, pixelOf(position),
// positionAt(pixel), isAcross (along x)}]; empty for none. onClick(x, y) is optional.
export function wireBrushes(canvas, linked, targetsAt, { onClick = () => {} } = {}) {
  let drag = null;

  const along = (target, event) => (target.isAcross ? event.offsetX : event.offsetY);

  function brush(event, step) {
    const conditions = drag.targets.reduce((found, target, k) => {
      const from = target.positionAt(drag.anchors[k]);
      const condition = conditionOn(target.axis, from, target.positionAt(along(target, event)));
      return withCondition(found, target.axis.field, condition);
    }, linked.conditions);
    linked.setConditions(conditions, { step });
  }

  function start(event) {
    if (event.button !== 0) return;
    const targets = targetsAt(event.offsetX, event.offsetY);
    const anchors = targets.map((target) => anchorOf(brushPixels(linked, target), along(target, event)));
    drag = { targets, anchors, x: event.offsetX, y: event.offsetY, moved: false };
    if (targets.length > 0) canvas.setPointerCapture(event.pointerId);
  }

  function move(event) {
    if (!drag || drag.targets.length === 0) return;
    drag.moved ||= Math.hypot(event.offsetX - drag.x, event.offsetY - drag.y) >= MOVED;
    if (drag.moved) brush(event, false);
  }

  function end(event) {
    const ended = drag;
    if (ended?.moved) brush(event, true);
    else if (ended && event.type === "pointerup") onClick(event.offsetX, event.offsetY);
    drag = null;
  }

  canvas.addEventListener("pointerdown", start);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  return { isDragging: () => Boolean(drag?.moved) };
}

// The words of a slider for an axis, for screen readers. Pure.
export function sliderWords(axis, range) {
  if (!range) return "all";
  const condition = conditionOn(axis, ...range);
  if (!condition) return "all";
  if (condition.unset) return "not set";
  if (condition.values) return condition.values.join(", ");
  const write = (value) => (axis.inWords ?? axis.text)(value);
  if (condition.low === undefined) return `up to ${write(condition.high)}`;
  if (condition.high === undefined) return `from ${write(condition.low)}`;
  return `${write(condition.low)} to ${write(condition.high)}`;
}

// Makes an element the keyboard's handle of an axis' brush. axisNow(): the axis as it is.
export function wireBrushKeys(element, linked, axisNow) {
  element.tabIndex = 0;
  element.setAttribute("role", "slider");
  element.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const axis = axisNow();
    const condition = linked.conditionOn(axis.field);
    if (event.key === "Escape" && condition) {
      event.preventDefault();
      linked.brush(axis.field, null);
      return;
    }
    const next = brushAfterKey(axis, rangeOn(axis, condition), event);
    if (!next) return;
    event.preventDefault();
    linked.brush(axis.field, conditionOn(axis, ...next));
  });
}

export function describeBrush(element, linked, axis) {
  const range = rangeOn(axis, linked.conditionOn(axis.field));
  const share = range ? ((range[0] + range[1]) / 2 - axis.min) / (axis.max - axis.min || 1) : 0.5;
  element.setAttribute("aria-valuemin", "0");
  element.setAttribute("aria-valuemax", "100");
  element.setAttribute("aria-valuenow", String(Math.round(share * 100)));
  element.setAttribute("aria-valuetext", sliderWords(axis, range));
}

// An accent frame with two handles. box: {x, y, width, height}; isAcross: the handles are
// at its left and right.
export function drawBrush(ctx, box, colors, { isAcross }) {
  ctx.save();
  ctx.globalAlpha = 0.16;
  ctx.fillStyle = colors.accent;
  ctx.fillRect(box.x, box.y, box.width, box.height);
  ctx.globalAlpha = 1;
  ctx.strokeStyle = colors.accent;
  ctx.lineWidth = 1.25;
  ctx.strokeRect(box.x, box.y, box.width, box.height);
  for (const share of [0, 1]) {
    const handle = isAcross
      ? { x: box.x + box.width * share - 2, y: box.y + box.height / 2 - 10, width: 4, height: 20 }
      : { x: box.x - 3, y: box.y + box.height * share - 2, width: box.width + 6, height: 4 };
    roundedBox(ctx, handle, 1.5, { fill: colors.accent });
  }
  ctx.restore();
}
