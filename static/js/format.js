// Numbers, durations and times in words. The template filters follow the same rules,
// so that a value reads the same before and after scripts take over:
//
//   number    null: "–". Whole numbers below 1e15 are whole, without separators (trial
//             numbers and parameters are names). Otherwise 4 significant digits with
//             trailing zeros kept ("0.9400"), and never fewer than the whole part
//             ("12346"). Below 0.0001 and from 1e6 on: "1.235e-5". Non-finite: "NaN",
//             "infinity", "−infinity". A minus is U+2212. In Python: f"{v:.3e}" gives
//             the exponent, then f"{v:.{max(0, 3 - exponent)}f}".
//   signed    number with "+" or "−" before it.
//   parameter text bare, numbers as above, anything else as JSON; "not set" for none.
//   exact     the shortest text that reads back as the same number (repr in Python).
//   count     whole, thousands parted by commas ("1,102").
//   share     of 1, whole percent, a space before the sign ("17 %").
//   duration  below 10 s one decimal unless whole ("0.9 s", "8 s"), then "15 s",
//             "3 m 02 s", from 1 h "2 h 05 m", from 48 h "2 d 13 h". Always rounded down
//             from 10 s on.
//   relative  below 1 s "now", "2 s ago", "8 m ago", "5 h ago", "yesterday" (24 to 48 h),
//             "12 days ago", from 30 days the date "3 Nov 2026"; later: "in 21 days".

const MINUS = "−";
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

function minus(text) {
  return text.startsWith("-") ? MINUS + text.slice(1) : text;
}

function significant(value, digits) {
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 6) return minus(`${mantissa}e${exponent}`);
  return minus(value.toFixed(Math.max(0, digits - 1 - exponent)));
}

export function number(value, digits = 4) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "infinity" : `${MINUS}infinity`;
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return minus(String(value));
  return significant(value, digits);
}

// A metric's value keeps its digits even where it happens to be whole: "1.000".
export function metric(value, digits = 4) {
  if (!Number.isFinite(value) || value === 0) return number(value);
  return significant(value, digits);
}

export function signed(value, digits = 4) {
  const text = number(value, digits);
  return value > 0 ? `+${text}` : text;
}

// A parameter's value as people write it: text bare, numbers as above, the rest as JSON;
// undefined is a parameter that the trial does not set.
export function parameter(value, digits = 4) {
  if (value === undefined) return "not set";
  if (typeof value === "string") return value;
  return typeof value === "number" ? number(value, digits) : JSON.stringify(value);
}

export function exact(value) {
  return value === null || value === undefined ? "" : String(value);
}

export function count(value) {
  return minus(String(Math.trunc(value))).replace(/\B(?=(\d{3})+$)/g, ",");
}

export function share(value) {
  return `${Math.round(value * 100)} %`;
}

function two(value) {
  return String(value).padStart(2, "0");
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const tenths = Math.round(seconds * 10) / 10;
  if (tenths < 10) return `${Number.isInteger(tenths) ? tenths : tenths.toFixed(1)} s`;
  const whole = Math.floor(seconds + 1e-9);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} m ${two(whole % MINUTE)} s`;
  const minutes = Math.floor(whole / MINUTE);
  if (whole < 2 * DAY) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
  const hours = Math.floor(whole / HOUR);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function distance(seconds) {
  if (seconds < MINUTE) return `${Math.floor(seconds)} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} m`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  const days = Math.floor(seconds / DAY);
  return days === 1 ? "1 day" : `${days} days`;
}

// To the nearest hour or day: what ends in 7 days says so for some hours.
function rounded(seconds) {
  const near = seconds >= HOUR ? seconds + HOUR / 2 : seconds;
  return near >= DAY ? seconds + DAY / 2 : near;
}

function day(date) {
  return `${date.getDate()} ${MONTHS[date.getMonth()]} ${date.getFullYear()}`;
}

// date and now: Date objects or milliseconds since 1970.
export function relative(date, now) {
  const seconds = (Number(now) - Number(date)) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  if (Math.abs(seconds) >= 30 * DAY) return day(new Date(Number(date)));
  if (seconds < 0) return `in ${distance(rounded(-seconds))}`;
  if (seconds >= DAY && seconds < 2 * DAY) return "yesterday";
  return `${distance(seconds)} ago`;
}

// The zone of the account, if this browser knows it; else the browser's own.
export const ZONE = (() => {
  try {
    const name = globalThis.document?.documentElement.dataset.timeZone;
    return new Intl.DateTimeFormat(undefined, { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
})();

// Relative words in every <time data-relative datetime="…">, the exact time on hover.
export function refreshTimes(root, now = Date.now()) {
  for (const element of root.querySelectorAll("time[data-relative]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(Number(date))) continue;
    element.textContent = relative(date, now);
    element.title = date.toLocaleString(undefined, { timeZone: ZONE });
  }
}
