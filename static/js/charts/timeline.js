// Timeline: which slot ran which trial, and when was a slot idle?

import { ZONE } from "../format.js";
import { canvasChart } from "./canvas_chart.js";
import { trialAt } from "./data/columns.js";
import { font, palette } from "./defaults.js";
import { inSight } from "./in_sight.js";
import { haloText } from "./marks.js";
import { createTooltip } from "./tooltip.js";

const ROW = 24;
const TOP = 6;
const FOOT = 26;
const MAX_BESIDE = 40;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

// Round moments between two, a step that leaves `gap` pixels. Pure.
export function timeTicks(from, to, width, { gap = 90, offset = 0 } = {}) {
  const wanted = ((to - from) * gap) / Math.max(1, width);
  const step = STEPS.find((each) => each >= wanted) ?? STEPS.at(-1);
  const ticks = [];
  for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to; at += step) ticks.push(at);
  return { step, ticks };
}

// The part of the time that is shown after a zoom about a place, or a move. Pure.
export function zoomed([from, to], [low, high], factor, about) {
  const span = Math.min(high - low, Math.max(1, (to - from) * factor));
  const share = (about - from) / (to - from || 1);
  const start = Math.min(high - span, Math.max(low, about - span * share));
  return [start, start + span];
}

export function moved([from, to], [low, high], by) {
  const way = Math.max(low - from, Math.min(high - to, by));
  return [from + way, to + way];
}

const clock = (seconds, step) => new Date(seconds * 1000).toLocaleTimeString("en-GB", {
  hour: "2-digit", minute: "2-digit", ...(step < 60 ? { second: "2-digit" } : {}), timeZone: ZONE,
});
const day = (seconds) => new Date(seconds * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: ZONE });

export function timelineHeight({ slots }) {
  return TOP + slots.length * ROW + FOOT;
}

// parts: linked, answer(): of the feed. The canvas' frame gets its height from the slots.
export function drawTimeline(canvas, { linked, answer, openTrial }) {
  const tip = createTooltip(canvas);
  let colors = palette();
  let shift = null;

  const whole = () => [answer().from, Math.max(answer().to, answer().from + 1)];
  let range = whole();
  const widths = new WeakMap();
  const left = () => {
    const { slots } = answer();
    if (!widths.has(slots)) {
      const longest = Math.max(0, ...slots.map(({ name }) => name.length));
      widths.set(slots, Math.min(170, 20 + longest * 6.6));
    }
    return widths.get(slots);
  };
  const span = ({ width }) => [left(), width - 16];
  const pixelOf = (second, size) => {
    const [low, high] = span(size);
    return low + ((high - low) * (second - range[0])) / (range[1] - range[0]);
  };
  const secondAt = (pixel, size) => {
    const [low, high] = span(size);
    return range[0] + ((range[1] - range[0]) * (pixel - low)) / (high - low);
  };

  function drawFrame(ctx, size) {
    const { slots, epoch } = answer();
    const [low, high] = span(size);
    ctx.font = font(12);
    ctx.fillStyle = colors.ink2;
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    slots.forEach(({ name }, k) => ctx.fillText(name, low - 10, TOP + k * ROW + ROW / 2, low - 14));
    const offset = -new Date(epoch * 1000).getTimezoneOffset() * 60 + epoch;
    const { step, ticks } = timeTicks(...range, high - low, { offset });
    ctx.strokeStyle = colors.grid;
    ctx.fillStyle = colors.ink3;
    ctx.textAlign = "center";
    ctx.font = font(11.5);
    for (const tick of ticks) {
      const x = Math.round(pixelOf(tick, size)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(x, TOP);
      ctx.lineTo(x, TOP + slots.length * ROW);
      ctx.stroke();
      ctx.fillText(step >= 86400 ? day(epoch + tick) : clock(epoch + tick, step), x, TOP + slots.length * ROW + 14);
    }
  }

  function barBox(k, size) {
    const { bars } = answer();
    const [low, high] = span(size);
    const scale = (high - low) / (range[1] - range[0]);
    const x = low + (bars.from[k] - range[0]) * scale;
    const right = low + (bars.to[k] - range[0]) * scale;
    const height = ROW * (bars.span?.[k] ?? 1) - 7;
    return { x, y: TOP + bars.slot[k] * ROW + 3, width: Math.max(1, right - x - (right - x > 3 ? 1 : 0)), height };
  }

  function visible() {
    const { bars } = answer();
    const found = [];
    for (let k = 0; k < bars.number.length; k += 1) {
      if (bars.to[k] >= range[0] && bars.from[k] <= range[1]) found.push(k);
    }
    return found;
  }

  function drawBars(ctx, size) {
    const { bars, states } = answer();
    const { columns, mask, hovered } = linked;
    const [low, high] = span(size);
    ctx.save();
    ctx.beginPath();
    ctx.rect(low, 0, high - low, size.height);
    ctx.clip();
    const labels = [];
    const byColor = new Map();
    let outlined = null;
    for (const k of visible()) {
      const row = columns.rowOf.get(bars.number[k]);
      const isSelected = mask === null || (row !== undefined && mask[row] === 1);
      const box = barBox(k, size);
      const look = row === columns.best && row !== undefined ? "best" : states[bars.state[k]];
      const color = isSelected ? colors.fill[look] ?? colors.line2 : colors.line;
      if (!byColor.has(color)) byColor.set(color, []);
      byColor.get(color).push(box);
      if (bars.number[k] === hovered) outlined = box;
      if ((isSelected && mask !== null) || look === "best" || box.width > 34) labels.push({ box, k, look, isSelected });
    }
    fillBars(ctx, byColor, mask === null);
    if (outlined) {
      ctx.strokeStyle = colors.ink;
      ctx.lineWidth = 2;
      ctx.strokeRect(outlined.x, outlined.y, outlined.width, outlined.height);
    }
    drawLabels(ctx, labels, bars);
    ctx.restore();
  }

  // All bars of a color as one path: there may be 20,000.
  function fillBars(ctx, byColor, isFaint) {
    for (const [color, boxes] of byColor) {
      ctx.globalAlpha = isFaint && color !== colors.fill.best ? 0.75 : 1;
      ctx.fillStyle = color;
      ctx.beginPath();
      for (const { x, y, width, height } of boxes) ctx.rect(x, y, width, height);
      ctx.fill();
    }
    ctx.globalAlpha = 1;
  }

  function drawLabels(ctx, labels, bars) {
    for (const { box, k, look, isSelected } of labels) {
      const text = `${look === "best" ? "★ " : ""}${bars.number[k]}`;
      ctx.font = font(11, 600);
      const size = ctx.measureText(text).width;
      const y = box.y + box.height / 2 + 0.5;
      if (box.width < size + 6) {
        // Beside the bar only where they are few.
        if (!isSelected || linked.mask === null || labels.length > MAX_BESIDE) continue;
        const style = { color: colors.tone[look] ?? colors.ink2, halo: colors.surface, font: font(11, 600) };
        haloText(ctx, text, box.x + box.width + 4, y, style);
        continue;
      }
      ctx.fillStyle = isSelected ? colors.surface : colors.ink3;
      ctx.textAlign = "center";
      ctx.textBaseline = "middle";
      ctx.fillText(text, box.x + box.width / 2, y);
    }
  }

  function drawSilent(ctx, size) {
    ctx.save();
    ctx.strokeStyle = colors.ink3;
    ctx.setLineDash([3, 3]);
    for (const { slot, from, to } of answer().silent ?? []) {
      const [x, right] = [pixelOf(from, size), pixelOf(to, size)];
      ctx.strokeRect(x, TOP + slot * ROW + 3, right - x, ROW - 7);
      if (right - x > 70) {
        haloText(ctx, "host silent", (x + right) / 2, TOP + slot * ROW + ROW / 2, {
          color: colors.ink2, halo: colors.surface, font: font(11, 600), align: "center",
        });
      }
    }
    ctx.restore();
  }

  const chart = canvasChart(canvas, (ctx, size) => {
    colors = palette();
    drawFrame(ctx, size);
    drawBars(ctx, size);
    drawSilent(ctx, size);
  });

  function zoom(factor, about = (range[0] + range[1]) / 2) {
    range = zoomed(range, whole(), factor, about);
    chart.redraw();
  }

  function barAt(x, y) {
    const { size } = chart;
    const found = visible().filter((k) => {
      const box = barBox(k, size);
      return x >= box.x - 1 && x <= box.x + box.width + 1 && y >= box.y && y <= box.y + box.height;
    });
    return found.length > 0 ? found.at(-1) : -1;
  }

  function hover({ offsetX: x, offsetY: y }) {
    if (shift) {
      const by = secondAt(shift.x, chart.size) - secondAt(x, chart.size);
      shift = { x, far: shift.far + Math.abs(x - shift.x) };
      range = moved(range, whole(), by);
      chart.redraw();
      return;
    }
    const k = barAt(x, y);
    const number = k < 0 ? null : answer().bars.number[k];
    linked.hover(number);
    const row = number === null ? undefined : linked.columns.rowOf.get(number);
    if (row === undefined) tip.hide();
    else tip.show({ trial: trialAt(linked.columns, row), best: null }, { x, y });
  }

  function keys(event) {
    const step = (range[1] - range[0]) / 5;
    const acts = {
      "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6),
      ArrowLeft: () => { range = moved(range, whole(), -step); chart.redraw(); },
      ArrowRight: () => { range = moved(range, whole(), step); chart.redraw(); },
      Home: () => { range = whole(); chart.redraw(); },
    };
    if (!acts[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    acts[event.key]();
  }

  canvas.tabIndex = 0;
  canvas.addEventListener("keydown", keys);
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, secondAt(event.offsetX, chart.size));
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => zoom(0.5, secondAt(event.offsetX, chart.size)));
  canvas.addEventListener("pointerdown", (event) => { shift = { x: event.offsetX, far: 0 }; });
  canvas.addEventListener("pointerup", (event) => {
    const k = shift?.far < 4 ? barAt(event.offsetX, event.offsetY) : -1;
    shift = null;
    if (k >= 0 && event.detail < 2) openTrial(answer().bars.id[k]);
  });
  canvas.addEventListener("pointermove", hover);
  canvas.addEventListener("pointerleave", () => {
    shift = null;
    linked.hover(null);
    tip.hide();
  });
  const sight = inSight(canvas, () => chart.redraw());
  const end = linked.subscribe(sight.run);
  return {
    redraw: chart.redraw,
    zoom,
    fit() {
      range = whole();
      chart.redraw();
    },
    destroy() {
      end();
      sight.end();
      chart.destroy();
      tip.remove();
    },
  };
}

export function timelineTable({ slots, bars, states, epoch }, most = 100) {
  const format = new Intl.DateTimeFormat("en-GB", { dateStyle: "short", timeStyle: "medium", timeZone: ZONE });
  const at = (second) => format.format((epoch + second) * 1000);
  return {
    caption: "Trials on slots",
    total: bars.number.length,
    columns: ["slot", "trial", "state", "from", "to"],
    rows: bars.number.slice(0, most).map((number, k) => [
      slots[bars.slot[k]].name, number, states[bars.state[k]], at(bars.from[k]), at(bars.to[k]),
    ]),
  };
}
