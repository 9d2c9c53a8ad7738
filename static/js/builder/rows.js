// The rows of a formset: a new one, and which fields a kind has. Pure.

// The markup of Django's empty form with its number.
export function numbered(markup, number) {
  return markup.replaceAll("__prefix__", String(number));
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
