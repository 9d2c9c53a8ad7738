"""Takes the pictures of the documentation from the running demo.

``python -m docs.screenshots`` starts a site of its own in a temporary folder, runs the
demo sweep to its end and writes docs/images. It needs the test requirements and
Chromium, and takes about three minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser_launch import chromium, find_chromium, log_in
from tests.processes.running_site import PASSWORD, RunningSite, running_site, wait_for

IMAGES = Path(__file__).resolve().parent / "images"
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
DRAWN = 1_500  # milliseconds until charts have drawn


def main() -> None:
    path = find_chromium()
    if path is None:
        sys.exit("Chromium is not on PATH; set CHROMIUM to its path.")
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        chromium(path) as browser,
        running_site(Path(folder) / "home", "--demo") as site,
    ):
        take_all(site, browser)


def take_all(site: RunningSite, browser: Browser) -> None:
    wait_for(lambda: ended(site) >= 16, "some trials to end", site.said, 300)
    take(site, browser, "home", "/")
    for theme in ("light", "dark"):
        take(site, browser, "sweep", "/sweeps/1/", theme=theme)
    take(site, browser, "sweep-phone", "/sweeps/1/", phone=True)
    take(site, browser, "pools", "/pools/")
    take(site, browser, "builder", "/sweeps/new/?clone=1")
    site.wait_for_end(1, timeout=600)
    take(site, browser, "sweep-finished", "/sweeps/1/")
    trials = site.trials(1)
    early = max(
        (trial for trial in trials if trial["state"] == "terminated"),
        key=lambda trial: trial["reports"],
    )
    take(site, browser, "trial", f"/trials/{early['id']}/")
    best = sorted(trials, key=lambda trial: -(trial["value"] or 0))[:2]
    chosen = ",".join(str(trial["id"]) for trial in (*best, early))
    take(site, browser, "compare", f"/compare/?trials={chosen}")
    take(site, browser, "experiment", "/experiments/1/")
    take(site, browser, "team", "/teams/default/")
    site.manage("fill", "--trials", "2000", "--points", "30")
    take(site, browser, "trials", "/sweeps/2/trials/?q=not+failed&sort=-value")
    take(site, browser, "charts", "/sweeps/2/charts/?q=dropout+<%3D+0.3")
    site.manage("space", "measure")
    for name in ("cleanup", "audit", "settings"):
        take(site, browser, name, f"/{name}/")


def ended(site: RunningSite) -> int:
    return sum(t["state"] not in {"queued", "running"} for t in site.trials(1))


def take(
    site: RunningSite,
    browser: Browser,
    name: str,
    path: str,
    *,
    theme: str = "light",
    phone: bool = False,
) -> None:
    size = PHONE if phone else DESKTOP
    context = browser.new_context(
        viewport=size,  # type: ignore[arg-type]
        color_scheme=theme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    log_in(page, site.url, user="admin", password=PASSWORD)
    page.goto(site.url + path)
    page.wait_for_timeout(DRAWN)
    # The window as high as the page: a bar at its bottom belongs below everything.
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": height})
    page.wait_for_timeout(DRAWN)
    page.screenshot(path=IMAGES / f"{name}-{theme}.png", full_page=True)
    context.close()


if __name__ == "__main__":
    main()
