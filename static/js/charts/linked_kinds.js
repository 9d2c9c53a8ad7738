// The kinds of linked charts: what each needs, and what it says when it has nothing to draw.

import { share, count } from "../format.js";
import { buildMenu, buildSelect, button } from "./card_controls.js";
import { bestTable, drawBest } from "./best.js";
import { drawContour } from "./contour.js";
import { drawDuration, durationWords, frontOf } from "./duration_value.js";
import { drawEdf } from "./edf.js";
import { drawEnds, endsTable } from "./ends.js";
import { drawImportance, importanceTable } from "./importance.js";
import { drawLearning } from "./learning.js";
import { drawParallel, drawRamp, parallelTable } from "./parallel.js";
import { drawSlices } from "./slices.js";
import { drawTimeline, timelineHeight, timelineTable } from "./timeline.js";
import { linesWords, pointsWords } from "./drawn_words.js";

const NONE = "No trial has a value yet. The chart appears with the first one.";

const hasValues = ({ linked }) => linked.columns.drawn.length > 0;

// ---- parallel coordinates -----------------------------------------------------------

function parallel(card, page) {
  if (!hasValues(page)) return NONE;
  const { linked, picked, openTrial } = page;
  const chart = drawParallel(card.canvas, { linked, picked, help: "axis-help", openTrial });
  const ramp = card.element.querySelector("[data-ramp]");
  const key = () => drawRamp(ramp, linked.mask ? `color: rank within the ${count(linked.count)}` : "color: rank");
  const menu = buildMenu(card.controls, "axes-menu", () => {
    const { shown, all } = chart.axes();
    return { text: `axes: ${shown.length} of ${all.length}`, items: all.map((name) => ({ name, on: shown.includes(name) })) };
  }, (name, on) => {
    const { shown } = chart.axes();
    const next = on ? [name, ...shown] : shown.filter((other) => other !== name);
    if (next.length > 0) chart.setAxes(next);
  });
  key();
  const end = linked.subscribe((kinds) => {
    if (kinds.has("selection")) key();
  });
  if (page.shares) chart.setShares(page.shares);
  return {
    ...chart,
    setShares(shares) {
      chart.setShares(shares);
      menu.refresh();
    },
    words: () => linesWords(linked.columns, linked.mask),
    table: () => parallelTable(linked.columns, linked.mask),
    destroy() {
      end();
      menu.remove();
      chart.destroy();
    },
  };
}

// ---- importance, slices, contour ----------------------------------------------------

async function importance(card, page) {
  const answer = await page.answers.get("importance");
  if (!answer.ready) return answer.sentence;
  const question = card.element.querySelector(".card-question");
  question.textContent = answer.question;
  let chart = drawImportance(card.place, { linked: page.linked, answer });
  let now = answer;
  return {
    redraw: () => chart.redraw(),
    async renew() {
      now = await page.answers.get("importance");
      if (!now.ready) return;
      chart.destroy();
      chart = drawImportance(card.place, { linked: page.linked, answer: now });
    },
    words: () => `${now.method}. ${now.sentence}`,
    table: () => importanceTable(now),
    destroy: () => chart.destroy(),
  };
}

function slices(card, page) {
  if (!hasValues(page)) return NONE;
  const { linked, spreadNow, openTrial } = page;
  const chart = drawSlices(card.place, { linked, spreadNow, openTrial });
  const select = linked.columns.axes.length > 6
    ? buildSelect(card.controls, "Which slices", [["", "the 6 most important"], ["all", `all ${linked.columns.axes.length}`]])
    : null;
  const most = () => (select?.value === "all" ? Infinity : 6);
  select?.addEventListener("change", () => chart.setMost(most()));
  if (page.shares) chart.setShares(page.shares);
  return {
    ...chart,
    words: () => `${pointsWords(linked.columns, linked.mask)}${page.shares ? " % is the importance." : ""}`,
    destroy() {
      select?.remove();
      chart.destroy();
    },
  };
}

async function contour(card, page) {
  const { linked, picked, answers, openTrial } = page;
  if (!hasValues(page)) return NONE;
  const known = linked.columns.axes.map(({ name }) => name);
  if (known.length < 2) return "Needs two parameters; this sweep has one.";
  const asked = () => ({ x: picked.get("x"), y: picked.get("y") });
  const ask = () => answers.get("surface", known.includes(asked().x) && known.includes(asked().y) ? asked() : {});
  let surface = await ask();
  const first = surface.x ? { x: surface.x.name, y: surface.y.name } : { x: known[0], y: known[1] };
  const names = () => {
    const { x, y } = asked();
    const valid = known.includes(x) && known.includes(y) && x !== y;
    return valid ? { x, y } : first;
  };
  const options = known.map((name) => [name, name]);
  const selects = ["x", "y"].map((name) => buildSelect(card.controls, `${name} axis of the contour`, options, { prefix: `${name}: ` }));
  const chart = drawContour(card.canvas, { linked, names, surface: () => surface, openTrial });
  const show = () => selects.forEach((select, k) => { select.value = names()[k === 0 ? "x" : "y"]; });

  async function renew() {
    chart.redraw();
    surface = await ask();
    chart.redraw();
    card.note.textContent = words();
  }

  function pickAxis(changed, k) {
    const before = names();
    const next = { ...before, [k === 0 ? "x" : "y"]: changed.value };
    // The same on both axes: they change places.
    if (next.x === next.y) next[k === 0 ? "y" : "x"] = k === 0 ? before.x : before.y;
    picked.set("x", next.x, { step: false });
    picked.set("y", next.y);
    show();
    renew();
  }

  const words = () => (surface.ready ? surface.sentence : `No surface: ${surface.sentence} ${pointsWords(linked.columns, linked.mask)}`);
  selects.forEach((select, k) => select.addEventListener("change", () => pickAxis(select, k)));
  show();
  return {
    redraw() {
      show();
      chart.redraw();
    },
    renew,
    words,
    destroy() {
      for (const select of selects) select.remove();
      chart.destroy();
    },
  };
}

// ---- distribution, duration ---------------------------------------------------------

async function edf(card, page) {
  if (!hasValues(page)) return NONE;
  const { linked, picked, answers, spreadNow, openTrial } = page;
  const against = () => (/^\d+(,\d+)*$/.test(picked.get("against") ?? "") ? { against: picked.get("against") } : {});
  let answer = await answers.get("edf", against());
  const chart = drawEdf(card.canvas, {
    linked,
    spreadNow,
    openTrial,
    sweeps: () => (answer.ready ? answer.sweeps : null),
  });
  const choices = answer.choices ?? [];
  const select = choices.length > 0
    ? buildSelect(card.controls, "Compare with a sweep", [["", "against: none"], ...choices.map(({ id, label }) => [String(id), `against: ${label}`])])
    : null;
  if (select) select.value = picked.get("against")?.split(",")[0] ?? "";
  async function renew() {
    answer = await answers.get("edf", against());
    chart.redraw();
    card.note.textContent = words();
  }
  select?.addEventListener("change", () => {
    picked.set("against", select.value);
    renew();
  });
  const words = () => {
    const left = (answer.left_out ?? []).map(({ why }) => why).join(" ");
    return [answer.ready ? answer.sentence : "", left, linked.mask ? "Marks: the selected." : ""].filter(Boolean).join(" ");
  };
  return {
    redraw: chart.redraw,
    renew,
    words,
    table: () => answer.ready && {
      caption: `Share of trials at or below each value of ${linked.columns.metric}`,
      columns: ["sweep", "value", "share"],
      rows: answer.sweeps.flatMap(({ label, points }) => points.filter((_, k) => k % Math.ceil(points.length / 50) === 0)
        .map(([value, part]) => [label, value, share(part)])),
    },
    destroy() {
      select?.remove();
      chart.destroy();
    },
  };
}

function duration(card, page) {
  if (!hasValues(page)) return NONE;
  const { linked, spreadNow, openTrial } = page;
  const logNow = () => card.valueOf("x") === "log";
  const chart = drawDuration(card.canvas, { linked, spreadNow, logNow, openTrial });
  return {
    ...chart,
    words: () => durationWords(linked.columns),
    table: () => ({
      caption: "The Pareto front: no trial is both faster and better",
      columns: ["trial", "seconds", linked.columns.metric],
      rows: frontOf(linked.columns).map((row) => [linked.columns.number[row], linked.columns.took[row], linked.columns.value[row]]),
    }),
  };
}

function best(card, page) {
  if (!hasValues(page)) return NONE;
  const { linked, spreadNow, openTrial } = page;
  const own = () => card.valueOf("y") || spreadNow();
  const chart = drawBest(card.canvas, { linked, spreadNow: own, openTrial });
  return {
    ...chart,
    words: () => pointsWords(linked.columns, linked.mask),
    table: () => bestTable(linked.columns),
  };
}

// ---- curves, ends, timeline ---------------------------------------------------------

async function ends(card, page) {
  let answer = await page.answers.get("ends");
  if (!answer.ready) return answer.sentence;
  const chart = drawEnds(card.canvas, { linked: page.linked, answer: () => answer });
  return {
    ...chart,
    async renew() {
      const next = await page.answers.get("ends");
      if (!next.ready) return;
      answer = next;
      chart.redraw();
    },
    words: () => answer.sentence,
    table: () => endsTable(answer),
  };
}

async function timeline(card, page) {
  let answer = await page.answers.get("timeline");
  if (!answer.ready) return answer.sentence;
  const fit = () => { card.place.style.height = `${timelineHeight(answer)}px`; };
  fit();
  const chart = drawTimeline(card.canvas, { linked: page.linked, answer: () => answer, openTrial: page.openTrial });
  card.canvas.setAttribute("aria-label", "Trials on slots over time. Plus and minus zoom, arrow keys move, Home shows all.");
  const controls = [
    button(card.controls, "+", "Zoom in", () => chart.zoom(0.6)),
    button(card.controls, "−", "Zoom out", () => chart.zoom(1 / 0.6)),
    button(card.controls, "Fit", "Fit the whole time", () => chart.fit()),
  ];
  return {
    ...chart,
    async renew() {
      const next = await page.answers.get("timeline");
      if (!next.ready) return;
      answer = next;
      fit();
      chart.redraw();
    },
    words: () => answer.sentence,
    table: () => timelineTable(answer),
    destroy() {
      for (const each of controls) each.remove();
      chart.destroy();
    },
  };
}

export const KINDS = { best, parallel, importance, slices, contour, edf, duration, curves: drawLearning, ends, timeline };
