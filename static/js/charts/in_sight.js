// Work for what is on the screen: a chart that is scrolled away is drawn once it is back.

// Calls run(kinds) now if the element is in sight, else once it is, with all kinds that
// came in the meantime. Returns {run(kinds), end()}.
export function inSight(element, run) {
  const waiting = new Set();
  let isSeen = true;
  const watcher = new IntersectionObserver((entries) => {
    isSeen = entries.at(-1).isIntersecting;
    if (!isSeen || waiting.size === 0) return;
    const kinds = new Set(waiting);
    waiting.clear();
    run(kinds);
  }, { rootMargin: "80px" });
  watcher.observe(element);
  return {
    run(kinds) {
      if (isSeen) run(kinds);
      else for (const kind of kinds) waiting.add(kind);
    },
    end: () => watcher.disconnect(),
  };
}
