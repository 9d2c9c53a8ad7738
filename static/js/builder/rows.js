// The rows of a formset: a new one, which fields a kind has, and values as they are typed.
// Pure.

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

// The name of a copy: lr_2.
export function freeName(name, taken) {
  let number = 2;
  while (taken.includes(`${name}_${number}`)) number += 1;
  return `${name}_${number}`;
}

// The values of a list as they are typed; null while a quote or bracket is open. Commas in
// quotes and brackets are part of a value.
export function splitValues(text) {
  const values = [];
  let value = "";
  let quote = "";
  let depth = 0;
  for (let place = 0; place < text.length; place += 1) {
    const sign = text[place];
    if (quote) {
      if (sign === "\\" && quote === '"') value += text[place++];
      else if (sign === quote) quote = "";
    } else if ((sign === '"' || sign === "'") && value.trim() === "") quote = sign;
    else if ("[{".includes(sign)) depth += 1;
    else if ("]}".includes(sign)) depth -= 1;
    if (sign === "," && !quote && depth === 0) {
      values.push(value);
      value = "";
    } else value += text[place] ?? "";
  }
  if (quote || depth !== 0) return null;
  return [...values, value].map((each) => each.trim()).filter(Boolean);
}

// The parts of a constraint: [kind, text] with kind name, number or other.
export function constraintParts(text, names) {
  const words = text.match(/"[^"]*"?|'[^']*'?|[A-Za-z_][\w.]*|\d[\w.]*|[^\w"']+/g) ?? [];
  return words.map((word) => {
    if (names.includes(word.split(".")[0])) return ["name", word];
    return [/^\d/.test(word) ? "number" : "other", word];
  });
}
