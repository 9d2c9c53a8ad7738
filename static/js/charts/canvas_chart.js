// A canvas that is drawn by hand: sharp on every screen, drawn again when its size or the
// theme changes.

import { onThemeChange } from "./defaults.js";

// draw(ctx, {width, height}) gets CSS pixels. Returns {redraw, size, destroy}.
export function canvasChart(canvas, draw) {
  const frame = canvas.parentElement;
  const size = { width: 0, height: 0 };

  function fit() {
    const { clientWidth: width, clientHeight: height } = frame;
    if (width === 0 || height === 0) return false;
    const ratio = globalThis.devicePixelRatio || 1;
    Object.assign(size, { width, height });
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    return true;
  }

  function redraw() {
    if (size.width === 0 && !fit()) return;
    const ctx = canvas.getContext("2d");
    ctx.clearRect(0, 0, size.width, size.height);
    ctx.save();
    draw(ctx, size);
    ctx.restore();
  }

  const watcher = new ResizeObserver(() => {
    if (frame.clientWidth === size.width && frame.clientHeight === size.height) return;
    if (fit()) redraw();
  });
  watcher.observe(frame);
  const forget = onThemeChange(redraw);
  return {
    redraw,
    size,
    destroy() {
      watcher.disconnect();
      forget();
    },
  };
}

// A separate picture in the chart's size, kept until it is drawn again.
export function createLayer() {
  const canvas = document.createElement("canvas");
  return {
    draw({ width, height }, paint) {
      const ratio = globalThis.devicePixelRatio || 1;
      const size = [Math.round(width * ratio), Math.round(height * ratio)];
      const ctx = canvas.getContext("2d");
      // A new size costs memory and time, and a brush draws at each move.
      if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      ctx.clearRect(0, 0, width, height);
      ctx.save();
      paint(ctx);
      ctx.restore();
    },
    show(ctx, { width, height }) {
      if (canvas.width > 0) ctx.drawImage(canvas, 0, 0, width, height);
    },
  };
}
