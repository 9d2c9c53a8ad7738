// A filter's text in colored parts. Only for the eye: the server reads it. Pure.

const PART = /(\s+)|("(?:[^"\\]|\\.)*"?|`[^`]*`?)|(\b(?:and|or|not|in|contains)\b)|(-?\d[\w.]*)|([\p{L}_][\p{L}\p{N}_.]*)|([<>=!]=?|[(),+*/%-])|(.)/giu;
const KINDS = ["space", "value", "word", "value", "name", "operator", "other"];

// [{text, kind, wrong}] whose texts add up to the whole; `wrong` marks what is in the
// error's range.
export function tokens(text, error = null) {
  const found = [];
  for (const match of text.matchAll(PART)) {
    const kind = KINDS[match.slice(1).findIndex((part) => part !== undefined)];
    const wrong = error !== null && match.index < Math.max(error.end, error.start + 1) && match.index + match[0].length > error.start;
    found.push({ text: match[0], kind, wrong });
  }
  return found;
}
