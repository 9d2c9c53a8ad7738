// Why trials ended, over time. A bar for each stretch of time.

import { count, ZONE } from "../format.js";
import { axis, applyDefaults, Chart, onThemeChange, palette, withAlpha } from "./defaults.js";
import { roundTicks } from "../scales.js";
import { element, glyph } from "./tooltip.js";

// Reasons of one state are told apart by their strength, the most frequent first. Pure.
export function strengths(kinds) {
  const seen = new Map();
  return kinds.map(({ state }) => {
    const before = seen.get(state) ?? 0;
    seen.set(state, before + 1);
    return Math.max(0.3, 1 - before * 0.25);
  });
}

function clock(epoch, second, span) {
  const date = new Date((epoch + second) * 1000);
  return span > 2 * 86400
    ? date.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: ZONE })
    : date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: ZONE });
}

function datasets({ kinds }, colors) {
  const strong = strengths(kinds);
  return kinds.map(({ counts, state }, k) => ({
    data: counts.map((value, x) => ({ x, y: value })),
    backgroundColor: withAlpha(colors.fill[state] ?? colors.line2, strong[k]),
    barPercentage: 0.96,
    categoryPercentage: 0.96,
  }));
}

function options({ edges, kinds, epoch }, colors) {
  const bins = edges.length - 1;
  const most = Math.max(1, ...Array.from({ length: bins }, (_, x) => kinds.reduce((sum, { counts }) => sum + counts[x], 0)));
  const span = edges.at(-1) - edges[0];
  const x = {
    forward: (bin) => bin - 0.5,
    ticks: (pixels) => roundTicks(0, bins, Math.max(2, pixels / 110)).filter(Number.isInteger),
    text: (bin) => clock(epoch, edges[bin], span),
  };
  const y = { forward: (value) => value, ticks: (pixels) => roundTicks(0, most, pixels / 50).filter(Number.isInteger), text: String };
  return {
    layout: { padding: { right: 14, top: 6 } },
    events: [],
    resizeDelay: 0,
    scales: {
      x: { ...axis(x, { colors, horizontal: true, min: -0.5, max: bins - 0.5 }), stacked: true, offset: false },
      y: { ...axis(y, { title: "trials", colors, min: 0, max: most * 1.05 }), stacked: true },
    },
  };
}

// The legend below the bars: each reason with its number; a click selects its state.
function legend(place, { kinds }, linked) {
  const strong = strengths(kinds);
  const items = kinds.map(({ text, state, total, key }, k) => {
    const button = element("button", `chip state-${state}`, glyph(state), `${count(total)} ${text}`);
    button.type = "button";
    button.style.setProperty("--strength", String(strong[k]));
    button.dataset.key = key;
    button.addEventListener("click", () => {
      const picked = linked.conditionOn("state")?.values ?? [];
      const values = picked.includes(state) ? picked.filter((each) => each !== state) : [...picked, state];
      linked.brush("state", values.length === 0 ? null : { field: "state", values });
    });
    return button;
  });
  place.replaceChildren(...items);
  const press = () => {
    const picked = linked.conditionOn("state")?.values ?? [];
    items.forEach((button, k) => button.setAttribute("aria-pressed", String(picked.includes(kinds[k].state))));
  };
  press();
  return press;
}

export function drawEnds(canvas, { linked, answer }) {
  const place = element("div", "ends-legend");
  canvas.parentElement.after(place);
  applyDefaults();
  const chart = new Chart(canvas, {
    type: "bar",
    data: { datasets: datasets(answer(), palette()) },
    options: options(answer(), palette()),
  });
  let press = legend(place, answer(), linked);

  function redraw() {
    applyDefaults();
    chart.data.datasets = datasets(answer(), palette());
    chart.options = options(answer(), palette());
    chart.update("none");
    press = legend(place, answer(), linked);
  }

  const forget = onThemeChange(redraw);
  const end = linked.subscribe((kinds) => {
    if (kinds.has("selection")) press();
  });
  return {
    redraw,
    destroy() {
      end();
      forget();
      place.remove();
      chart.destroy();
    },
  };
}

export function endsTable({ edges, kinds, epoch }) {
  const span = edges.at(-1) - edges[0];
  return {
    caption: "How trials ended, over time",
    columns: ["from", ...kinds.map(({ text }) => text)],
    rows: edges.slice(0, -1).map((edge, x) => [clock(epoch, edge, span), ...kinds.map(({ counts }) => counts[x])]),
  };
}
