// Costly drawings of a live page: the more one costs, the more seldom it is done, so that
// the page answers at once and other tabs keep their share of the machine.

// A drawing that took 0.1 s is done again after 3 s at the earliest, a costlier one after
// 10 s at the latest.
const REST = 30;
const MAX_REST_MS = 10_000;

// Draws now, and what waits for the next frame with it. A promise of the milliseconds that
// both took.
export function timed(draw) {
  return new Promise((resolve) => {
    let frame = 0;
    requestAnimationFrame(() => { frame = performance.now(); });
    const began = performance.now();
    draw();
    const took = performance.now() - began;
    requestAnimationFrame(() => resolve(took + performance.now() - frame));
  });
}

// Returns a function that asks for a run: at once, or when the last one has paid for
// itself. run(): a promise of what it cost in milliseconds.
export function paced(run, { wait = setTimeout } = {}) {
  let isBusy = false;
  let isAsked = false;

  async function start() {
    isBusy = true;
    isAsked = false;
    const cost = await run().catch((problem) => {
      console.warn("The charts could not be brought up to date.", problem);
      return 0;
    });
    wait(() => {
      isBusy = false;
      if (isAsked) start();
    }, Math.min(MAX_REST_MS, cost * REST));
  }

  return () => {
    if (isBusy) isAsked = true;
    else start();
  };
}
