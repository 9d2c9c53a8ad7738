// The search space's rows: their names in the form, and which fields a kind has. Pure.

const NAMED = ["id", "name", "for", "value", "aria-describedby", "data-field", "data-problems"];
const MARK = /^(row-|up:|down:|remove:|natural:|above0:|plain:)(__row__|\d+)(?=-|$)/;

// An attribute's text with the row's number replaced; other texts stay as they are.
export function renumbered(text, index) {
  return text
    .split(" ")
    .map((word) => word.replace(MARK, (_, prefix) => `${prefix}${index}`))
    .join(" ");
}

export function namedAttributes() {
  return NAMED;
}

// For each field of a row: whether the kind has it, and its label.
export function fieldStates(fields, kind, texts) {
  const used = kind?.fields ?? {};
  return fields.map((field) => {
    const isUsed = field in used || (field === "probabilities" && "values" in used && texts[field] !== "");
    return { field, used: isUsed, label: used[field] ?? "", disabled: !isUsed && texts[field] === "" };
  });
}

// Where a row goes when it moves; null at the ends.
export function movedIndex(index, by, count) {
  const place = index + by;
  return place >= 0 && place < count ? place : null;
}

// How many touched fields still mean the same after rows were renumbered: fields of rows
// follow their row. `order` has the old index of every row by its new one.
export function followRows(touched, order) {
  const now = new Map(order.map((old, index) => [old, index]));
  const moved = new Set();
  for (const field of touched) {
    const match = /^row-(\d+)-(.+)$/.exec(field);
    if (!match) moved.add(field);
    else if (now.has(Number(match[1]))) moved.add(`row-${now.get(Number(match[1]))}-${match[2]}`);
  }
  return moved;
}
