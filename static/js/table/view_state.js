// What the table shows, as the page's address holds it. Pure.

const list = (text) => (text ?? "").split(",").filter(Boolean);

// search: of a URL. cols: null for the usual ones.
export function readView(search) {
  const params = new URLSearchParams(search);
  return {
    q: params.get("q") ?? "",
    sort: list(params.get("sort")),
    cols: params.has("cols") ? list(params.get("cols")) : null,
    group: params.get("group") ?? "",
    rank: Number.parseInt(params.get("rank") ?? "", 10) || null,
  };
}

// The search with some parts of the view changed; what is empty is left out, and other
// parameters stay.
export function withView(search, changes) {
  const params = new URLSearchParams(search);
  params.delete("page");
  for (const [name, value] of Object.entries(changes)) {
    const text = Array.isArray(value) ? value.join(",") : String(value ?? "");
    if (text === "") params.delete(name);
    else params.set(name, text);
  }
  // Commas and colons read better as they are.
  const text = params.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return text === "" ? "" : `?${text}`;
}

// What the server needs to know which rows are meant.
export function rowsQuery(search) {
  const { q, sort, cols, group } = readView(search);
  return withView("", { q, sort, cols: cols ?? "", group }).slice(1);
}

const bare = (sort) => sort.replace(/^-/, "");
const turned = (sort) => (sort.startsWith("-") ? sort.slice(1) : `-${sort}`);

const MAX_SORTS = 5;

// The sorts after a click on a column, whose own first direction is `first`, such as
// "-value". A plain click leaves it alone; with `add` it joins the others, and turns
// where it is one of them already.
export function toggledSort(sorts, first, { add = false } = {}) {
  const key = bare(first);
  const now = sorts.find((sort) => bare(sort) === key);
  if (!add) return [now === undefined || sorts.length > 1 ? (now ?? first) : turned(now)];
  if (now !== undefined) return sorts.map((sort) => (sort === now ? turned(sort) : sort));
  return [...sorts, first].slice(0, MAX_SORTS);
}

// Expressions that all have to hold, as one.
export function joined(...texts) {
  return texts
    .map((text) => text.trim())
    .filter(Boolean)
    .map((text, _, all) => (all.length > 1 && /\bor\b/i.test(text) ? `(${text})` : text))
    .join(" and ");
}
