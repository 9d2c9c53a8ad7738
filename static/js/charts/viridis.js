// Our own short table of a ramp from dark violet over teal to yellow, after the viridis
// map of Smith and van der Walt (2015): 9 stops, straight lines between them.

const STOPS = [
  [68, 1, 84],
  [71, 45, 123],
  [59, 82, 139],
  [44, 114, 142],
  [33, 145, 140],
  [40, 174, 128],
  [94, 201, 98],
  [173, 220, 48],
  [253, 231, 37],
];

export function viridis(share) {
  const at = Math.max(0, Math.min(1, share)) * (STOPS.length - 1);
  const low = Math.min(Math.floor(at), STOPS.length - 2);
  const mix = STOPS[low].map((from, k) => Math.round(from + (STOPS[low + 1][k] - from) * (at - low)));
  return `rgb(${mix.join(" ")})`;
}

// Color of a rank: 0 the worst, 1 the best. The ramp is cut so that the better end
// contrasts most with the background.
export function rankColor(share, dark) {
  return dark ? viridis(0.22 + 0.78 * share) : viridis(0.86 * (1 - share));
}
