// Chart.js as this site uses it: no animation, no legend, colors from the CSS
// variables. Chart.js comes from a plain <script> and is the only global.

const { Chart } = globalThis;

export { Chart };

function reader(element = document.documentElement) {
  const style = getComputedStyle(element);
  return (name) => style.getPropertyValue(name).trim();
}

const FILLS = ["best", "running", "completed", "terminated", "failed", "cancelled", "queued"];

// Read once for each theme: styles are slow to read, and charts ask at every frame.
let colors = null;
let family = null;
globalThis.document?.addEventListener("themechange", () => { colors = null; });

// The current theme's colors as strings that a canvas understands.
export function palette() {
  colors ??= readPalette();
  return colors;
}

function readPalette() {
  const read = reader();
  const all = (suffix) => Object.fromEntries(FILLS.map((n) => [n, read(`--${n}${suffix}`)]));
  return {
    dark: document.documentElement.dataset.theme === "dark",
    surface: read("--surface"),
    sunken: read("--sunken"),
    line: read("--line"),
    line2: read("--line-2"),
    grid: read("--grid"),
    ink: read("--ink"),
    ink2: read("--ink-2"),
    ink3: read("--ink-3"),
    accent: read("--accent"),
    fill: all("-fill"),
    tone: all(""),
  };
}

// Red, green and blue of a color such as "#15181e" or "#fff".
export function channels(hex) {
  const full = hex.length === 4 ? hex.replace(/[^#]/g, "$&$&") : hex;
  const value = Number.parseInt(full.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

export function withAlpha(hex, alpha) {
  return `rgb(${channels(hex).join(" ")} / ${alpha})`;
}

export function font(size = 12, weight = 400) {
  family ??= getComputedStyle(document.body).fontFamily;
  return `${weight} ${size}px ${family}`;
}

export function applyDefaults() {
  const colors = palette();
  const { defaults } = Chart;
  defaults.animation = false;
  defaults.responsive = true;
  defaults.maintainAspectRatio = false;
  defaults.resizeDelay = 50;
  defaults.parsing = false;
  defaults.normalized = true;
  defaults.color = colors.ink3;
  defaults.borderColor = colors.grid;
  defaults.font.family = getComputedStyle(document.body).fontFamily;
  defaults.font.size = 11.5;
  defaults.plugins.legend.display = false;
  defaults.plugins.title.display = false;
  defaults.plugins.tooltip.enabled = false;
  defaults.elements.point.radius = 0;
  defaults.elements.point.hitRadius = 8;
}

// Calls redraw() after every change of theme; returns a function that ends it.
export function onThemeChange(redraw) {
  document.addEventListener("themechange", redraw);
  return () => document.removeEventListener("themechange", redraw);
}

function axisTitle(text, colors) {
  return { display: Boolean(text), text, color: colors.ink3, font: { size: 11.5 }, padding: { top: 2 } };
}

// A Chart.js scale for positions made by scales.js: round ticks, written in the value's
// own unit. Horizontal grid only. `length` is about how many pixels the axis has. Without
// a title the scale's own says whether the axis is turned round.
export function axis(scale, { title = scale.title, colors, horizontal = false, min, max }) {
  return {
    type: "linear",
    min,
    max,
    border: { display: false },
    grid: { display: !horizontal, color: colors.grid, drawTicks: false },
    title: axisTitle(title, colors),
    afterBuildTicks(built) {
      const length = horizontal ? built.chart.width : built.chart.height - 60;
      built.ticks = scale.ticks(length).map((value) => ({ value: scale.forward(value), own: value }));
    },
    ticks: {
      color: colors.ink3,
      padding: 6,
      autoSkip: false,
      maxRotation: 0,
      callback(position, index, ticks) {
        return scale.text(ticks[index].own);
      },
    },
  };
}

// Room above and below the data, as a share of the axis; positions, not values.
export function padded(scale, below = 0.05, above = 0.07) {
  const ends = scale.domain.map(scale.forward);
  const low = Math.min(...ends);
  const high = Math.max(...ends);
  return { min: low - (high - low) * below, max: high + (high - low) * above };
}
