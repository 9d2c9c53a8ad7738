// What the viewer has picked on a chart's card, kept in the URL under the card's id
// (?curves.y=log&curves.states=running,failed), so that a link shows the same.

// The picked value, or null.
export function remembered(card, name) {
  return new URLSearchParams(location.search).get(`${card.id}.${name}`);
}

// null forgets.
export function remember(card, name, value) {
  const url = new URL(location.href);
  if (value === null) url.searchParams.delete(`${card.id}.${name}`);
  else url.searchParams.set(`${card.id}.${name}`, value);
  history.replaceState(history.state, "", url);
}

// The states that a list such as "running,failed" leaves out, of those that there are;
// null leaves out none. Pure.
export function hiddenStates(shown, known) {
  if (shown === null) return [];
  const kept = new Set(shown.split(","));
  return known.filter((state) => !kept.has(state));
}
