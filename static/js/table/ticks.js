// The trials that a person has ticked, by number. The table and the charts of a sweep
// share them; they last as long as the tab.

const opened = new Map();

// The ticks of a sweep: the same object for all who ask.
export function ticksOf(sweep, storage = globalThis.sessionStorage) {
  if (!opened.has(sweep)) opened.set(sweep, createTicks(`ticks:${sweep}`, storage));
  return opened.get(sweep);
}

function createTicks(key, storage) {
  const ticked = new Set(stored(key, storage));
  const listeners = new Set();

  function changed() {
    keep(key, [...ticked], storage);
    for (const listener of listeners) listener();
  }

  return {
    get size() {
      return ticked.size;
    },
    numbers: () => [...ticked].sort((a, b) => a - b),
    has: (number) => ticked.has(number),
    set(number, on) {
      if (on) ticked.add(number);
      else ticked.delete(number);
      changed();
    },
    setAll(numbers, on) {
      for (const number of numbers) {
        if (on) ticked.add(number);
        else ticked.delete(number);
      }
      changed();
    },
    replace(numbers) {
      ticked.clear();
      for (const number of numbers) ticked.add(number);
      changed();
    },
    clear() {
      ticked.clear();
      changed();
    },
    onChange: (listener) => listeners.add(listener),
  };
}

// A full or forbidden storage only costs that ticks are gone with the page.
function stored(key, storage) {
  try {
    return numbersIn(storage?.getItem(key) ?? "");
  } catch {
    return [];
  }
}

function keep(key, numbers, storage) {
  try {
    storage?.setItem(key, rangesOf(numbers));
  } catch {
    // See above.
  }
}

// "3,8,12-20" as numbers.
export function numbersIn(text) {
  const found = [];
  for (const part of text.split(",").filter(Boolean)) {
    const [first, last = first] = part.split("-").map(Number);
    for (let number = first; number <= last; number += 1) found.push(number);
  }
  return found;
}

// Numbers as "3,8,12-20".
export function rangesOf(numbers) {
  const runs = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(",");
}
