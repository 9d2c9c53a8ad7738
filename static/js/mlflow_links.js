// MLflow's clients print links to pages of its own server, such as
// SITE/#/experiments/2/runs/0000000000000000000000000000002a. Here they lead on.

const RUN = /^#\/experiments\/\d+\/runs\/([0-9a-f]{32})\b/;
const EXPERIMENT = /^#\/experiments\/(\d{1,18})\b/;

// The path of the page that a link means; null if it is another fragment.
export function pathOf(fragment) {
  const run = RUN.exec(fragment);
  if (run) return `/trials/${BigInt(`0x${run[1]}`)}/`;
  const experiment = EXPERIMENT.exec(fragment);
  return experiment ? `/experiments/${experiment[1]}/` : null;
}

export function followMlflowLink() {
  const path = pathOf(location.hash);
  if (path) location.replace(path);
}
