// The box next to the pointer: a trial, its value, its value here, and the parameters in
// which it differs from the best trial; or, in charts of one trial, a place on the axis
// and the values there. One box a chart, placed inside its frame.

import { metric, parameter } from "../format.js";
import { lookOf } from "../states.js";

const SVG = "http://www.w3.org/2000/svg";

export function glyph(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `glyph glyph-${name}`);
  svg.setAttribute("width", "14");
  svg.setAttribute("height", "14");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${document.documentElement.dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}

export function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

// [{name, own, best}] for parameters that differ; pure.
export function differences(trial, best) {
  if (!best || best.number === trial.number) {
    return Object.entries(trial.params).map(([name, own]) => ({ name, own, best: null }));
  }
  const names = [...new Set([...Object.keys(trial.params), ...Object.keys(best.params)])];
  return names
    .filter((name) => JSON.stringify(trial.params[name]) !== JSON.stringify(best.params[name]))
    .map((name) => ({ name, own: trial.params[name], best: best.params[name] }));
}

function row({ name, own, best }) {
  const cells = [element("td", "", name), element("td", "", parameter(own, 3))];
  if (best !== null) cells.push(element("td", "", glyph("best"), parameter(best, 3)));
  return element("tr", "", ...cells);
}

function trialHead(trial) {
  const look = lookOf(trial);
  const head = element("div", `chart-tip-head state-${look.name}`, glyph(look.glyph));
  head.append(element("strong", "", `Trial ${trial.number}`), element("span", "", look.word));
  head.append(element("span", "push", metric(trial.value)));
  return head;
}

// content: {trial, best, line} or {title, rows: [{name, text}], line}.
function fill(box, { trial, best, title, rows = [], line }) {
  const head = trial ? trialHead(trial) : element("div", "chart-tip-head", element("strong", "", title));
  const lines = trial
    ? differences(trial, best).slice(0, 8).map(row)
    : rows.map(({ name, text }) => element("tr", "", element("td", "", name), element("td", "", text)));
  box.replaceChildren(head);
  if (line) box.append(element("p", "chart-tip-line", line));
  if (lines.length > 0) box.append(element("table", "", element("tbody", "", ...lines)));
}

// Beside the point, on the side with room, never outside the frame.
export function placeTip(point, size, frame) {
  const gap = 14;
  const right = point.x + gap;
  const x = right + size.width <= frame.width ? right : Math.max(0, point.x - gap - size.width);
  const y = Math.max(0, Math.min(point.y - size.height / 3, frame.height - size.height));
  return { x, y };
}

export function createTooltip(canvas) {
  const frame = canvas.parentElement;
  const box = element("div", "chart-tip");
  box.hidden = true;
  frame.append(box);
  return {
    show(content, point) {
      fill(box, content);
      box.hidden = false;
      const { x, y } = placeTip(
        point,
        { width: box.offsetWidth, height: box.offsetHeight },
        { width: frame.clientWidth, height: Math.max(frame.clientHeight, box.offsetHeight) },
      );
      box.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
    },
    hide() {
      box.hidden = true;
    },
    remove() {
      box.remove();
    },
  };
}
