// What a person picks on a page of charts, kept in the URL: axes, scales, comparisons.

// A step is one that Back undoes.
export function pickedInUrl() {
  return {
    get: (name) => new URLSearchParams(location.search).get(name),
    set(name, value, { step = true } = {}) {
      const url = new URL(location.href);
      if (value === null || value === "") url.searchParams.delete(name);
      else url.searchParams.set(name, value);
      if (url.href === location.href) return;
      if (step) history.pushState(history.state, "", url);
      else history.replaceState(history.state, "", url);
    },
  };
}
