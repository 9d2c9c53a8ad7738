// A line of YAML in pieces: keys, placeholders and the rest. Pure.

const KEY = /^(\s*(?:- )?)([A-Za-z_$][\w$ .-]*)(:)(?=\s|$)/;
const PLACEHOLDER = /\$\{\{[^{}]*\}\}/g;

export function pieces(line) {
  const found = [];
  let rest = line;
  const key = KEY.exec(line);
  if (key) {
    if (key[1]) found.push({ kind: "text", text: key[1] });
    found.push({ kind: "key", text: key[2] }, { kind: "text", text: key[3] });
    rest = line.slice(key[0].length);
  }
  let place = 0;
  for (const match of rest.matchAll(PLACEHOLDER)) {
    if (match.index > place) found.push({ kind: "text", text: rest.slice(place, match.index) });
    found.push({ kind: "placeholder", text: match[0] });
    place = match.index + match[0].length;
  }
  if (place < rest.length) found.push({ kind: "text", text: rest.slice(place) });
  return found;
}

// Where line `number` (from 1) begins and ends in a text.
export function lineRange(text, number) {
  const lines = text.split("\n");
  const before = lines.slice(0, number - 1).reduce((sum, line) => sum + line.length + 1, 0);
  const start = Math.min(before, text.length);
  return [start, start + (lines[number - 1] ?? "").length];
}
