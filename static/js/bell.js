// The bell in the top bar: how many notifications are not read, and, if the person wants
// it, new ones outside of the page.

const EVERY = 30000;
const WANTED = "sweepsite-desktop";
const SEEN = "sweepsite-newest-notification";

export function badgeText(unread) {
  if (!unread) return "";
  return unread > 99 ? "99+" : String(unread);
}

export function bellLabel(unread) {
  if (!unread) return "Notifications";
  return `Notifications: ${badgeText(unread)} unread`;
}

// What this browser has not shown yet. Each tab asks, and one of them shows it.
export function unseen(feed, seen) {
  return seen === null || feed.newest <= seen ? [] : feed.new;
}

function canShow() {
  return "Notification" in window && Notification.permission === "granted" && localStorage.getItem(WANTED) === "yes";
}

function show(feed) {
  const stored = localStorage.getItem(SEEN);
  const seen = stored === null ? null : Number(stored);
  if (feed.newest > (seen ?? 0)) localStorage.setItem(SEEN, String(feed.newest));
  if (!canShow()) return;
  for (const { title, message, url } of unseen(feed, seen)) {
    const shown = new Notification(title, { body: message, tag: url });
    shown.addEventListener("click", () => { window.focus(); location.assign(url); });
  }
}

async function ask(bell) {
  if (document.hidden && !canShow()) return;
  const seen = localStorage.getItem(SEEN);
  const answer = await fetch(`${bell.dataset.feed}${seen === null ? "" : `?after=${seen}`}`).catch(() => null);
  if (!answer?.ok) return;
  const feed = await answer.json();
  const badge = bell.querySelector("[data-bell-count]");
  badge.textContent = badgeText(feed.unread);
  badge.hidden = !feed.unread;
  bell.setAttribute("aria-label", bellLabel(feed.unread));
  show(feed);
}

// The card of the settings page that asks the browser for its permission.
function wireDesktop(card) {
  const button = card.querySelector("[data-desktop-toggle]");
  const state = card.querySelector("[data-desktop-state]");
  const draw = () => {
    button.textContent = canShow() ? "Stop showing them" : "Show them";
    button.disabled = Notification.permission === "denied";
    if (button.disabled) state.textContent = "The settings of this browser do not allow it for this site.";
  };
  card.hidden = false;
  draw();
  button.addEventListener("click", async () => {
    const wanted = !canShow();
    localStorage.setItem(WANTED, wanted ? "yes" : "no");
    if (wanted) await Notification.requestPermission();
    draw();
  });
}

export function wireBell() {
  const bell = document.querySelector("[data-bell]");
  if (!bell) return;
  ask(bell);
  setInterval(() => ask(bell), EVERY);
  document.addEventListener("visibilitychange", () => ask(bell));
  const card = document.querySelector("[data-desktop]");
  if (card && "Notification" in window) wireDesktop(card);
}
