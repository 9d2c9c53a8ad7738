// The trials of a sweep as columns: a row is an index, and every array has a place for it.
//
// From columns.json (the feed of all trials), or from the model of a page's first paint.
// Columns: {
//   metric, goal, total, sentence (what the rows are), final, mark, states: [state of each row], best (a row or -1),
//   number, id, value, took, started, ended, reports: Float64Array (NaN: none),
//   axes: [{name, kind: "number" | "choice", log, low, high, values, cells: Float64Array}],
//          cells of choices are places in `values`; NaN: the trial does not set it
//   weight: Float64Array or null: how many trials a row represents, if the rows are a sample
//   order: rows that count, the best first; drawn: those and running ones with a value,
//   the best first; share: of each drawn row, 1 the best, 0 the worst
//   rowOf: Map of a trial's number to its row
// }

const NUMBERS = ["number", "id", "value", "last", "took", "started", "ended", "created", "reports"];

// A loop: Float64Array.from() with a function takes ten times as long.
function column(values, size) {
  const found = new Float64Array(size).fill(Number.NaN);
  if (values) for (let row = 0; row < size; row += 1) found[row] = values[row] ?? Number.NaN;
  return found;
}

// Rows with a value that pass a test, the best first; ties go to the earlier trial.
function rankedRows({ value, number, goal }, passes) {
  const sign = goal === "minimize" ? 1 : -1;
  const rows = [];
  for (let row = 0; row < value.length; row += 1) if (Number.isFinite(value[row]) && passes(row)) rows.push(row);
  return rows.sort((a, b) => sign * (value[a] - value[b]) || number[a] - number[b]);
}

// Those of some rows, in their order, that beat all before them.
export function leading(rows, { value, goal }) {
  const sign = goal === "minimize" ? 1 : -1;
  let best = Infinity;
  return rows.filter((row) => {
    const isBetter = sign * value[row] < best;
    if (isBetter) best = sign * value[row];
    return isBetter;
  });
}

// The place of each row among these, 1 the best and 0 the worst.
export function sharesOf(size, rows) {
  const share = new Float64Array(size).fill(Number.NaN);
  rows.forEach((row, k) => { share[row] = rows.length > 1 ? 1 - k / (rows.length - 1) : 1; });
  return share;
}

function withRanks(columns) {
  const { counts, states, size } = columns;
  const drawn = rankedRows(columns, (row) => counts[row] || states[row] === "running");
  const rowOf = new Map(Array.from(columns.number, (number, row) => [number, row]));
  return {
    ...columns,
    drawn,
    order: drawn.filter((row) => counts[row]),
    share: sharesOf(size, drawn),
    rowOf,
    best: rowOf.get(columns.bestNumber) ?? -1,
  };
}

// From the answer of columns.json, with `whole: true`.
export function columnsOfFeed(feed) {
  const size = feed.rows;
  const parts = Object.fromEntries(NUMBERS.map((name) => [name, column(feed.columns[name], size)]));
  const ranked = new Set(feed.ranked);
  return withRanks({
    ...parts,
    size,
    metric: feed.metric,
    // A chosen metric, in place of the primary one.
    chosen: feed.chosen === true,
    goal: feed.goal,
    total: feed.total,
    planned: feed.planned,
    sentence: feed.drawn,
    sample: feed.sample,
    final: feed.final,
    mark: feed.mark,
    bestNumber: feed.best,
    states: feed.columns.state.map((code) => feed.states[code]),
    counts: feed.columns.state.map((code) => ranked.has(code)),
    reason: feed.columns.reason ?? [],
    weight: feed.weights ? Float64Array.from(feed.weights) : null,
    axes: feed.parameters.map((parameter) => ({ ...parameter, cells: column(parameter.cells, size) })),
    feed,
  });
}

// The answer with what changed since: rows are merged by their trial's number.
export function mergedFeed(before, news) {
  if (news.whole) return news;
  const places = new Map(before.columns.number.map((number, row) => [number, row]));
  let rows = before.rows;
  const targets = news.columns.number.map((number) => places.get(number) ?? rows++);
  const merge = (old, fresh) => {
    if (!fresh) return old;
    const all = (old ?? []).slice();
    targets.forEach((row, k) => { all[row] = fresh[k]; });
    return all;
  };
  const names = new Set([...Object.keys(before.columns), ...Object.keys(news.columns)]);
  return {
    ...news,
    rows,
    columns: Object.fromEntries([...names].map((name) => [name, merge(before.columns[name], news.columns[name])])),
    weights: news.weights ? merge(before.weights, news.weights) : before.weights,
    parameters: news.parameters.map((parameter, k) => ({
      ...parameter,
      cells: merge(before.parameters[k].cells, parameter.cells),
    })),
  };
}

// From the model that the overview is drawn with first: {objective, space, trials}.
export function columnsOfModel({ objective, space, trials, total = trials.length }) {
  const own = (trial, { name, kind, values }) => {
    const value = trial.params[name];
    if (kind !== "choice") return Number.isFinite(value) ? value : null;
    const text = JSON.stringify(value);
    const at = values.findIndex((other) => other === value || JSON.stringify(other) === text);
    return at < 0 ? null : at;
  };
  const sorted = [...trials].sort((a, b) => a.number - b.number);
  const states = ["queued", "running", "completed", "terminated", "cancelled", "failed"];
  const parameters = space.map((parameter) => {
    const values = [...(parameter.values ?? [])];
    if (values.every((value) => typeof value === "number")) values.sort((a, b) => a - b);
    const axis = { log: false, low: null, high: null, ...parameter, values };
    const cells = sorted.map((trial) => own(trial, axis));
    return axis.kind === "choice" ? { ...axis, cells } : { ...axis, ...ends(axis, cells), cells };
  });
  return columnsOfFeed({
    metric: objective.metric,
    goal: objective.goal,
    total,
    planned: total,
    rows: sorted.length,
    drawn: "",
    states,
    ranked: [2, 3, 4],
    best: sorted.find((trial) => trial.best)?.number ?? null,
    columns: {
      number: sorted.map((trial) => trial.number),
      id: sorted.map((trial) => trial.id),
      state: sorted.map((trial) => states.indexOf(trial.state)),
      value: sorted.map((trial) => (Number.isFinite(trial.value) ? trial.value : null)),
      reports: sorted.map((trial) => trial.reports ?? 0),
    },
    parameters,
  });
}

// The ends of an axis of numbers: those of the space, else those of the values.
function ends({ low, high }, cells) {
  const found = cells.filter((value) => value !== null);
  return { low: low ?? Math.min(...found, Infinity), high: high ?? Math.max(...found, -Infinity) };
}

// A row as the trial that tooltips and labels show: {number, state, value, best, params}.
export function trialAt(columns, row) {
  const set = columns.axes.filter(({ cells }) => !Number.isNaN(cells[row]));
  const params = Object.fromEntries(
    set.map(({ name, kind, values, cells }) => [name, kind === "choice" ? values[cells[row]] : cells[row]]),
  );
  const value = columns.value[row];
  return {
    row,
    id: columns.id[row],
    number: columns.number[row],
    state: columns.states[row],
    best: row === columns.best,
    value: Number.isNaN(value) ? null : value,
    params,
  };
}

// The median of some values, NaN if there are none.
export function median(values) {
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
  if (sorted.length === 0) return Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}
