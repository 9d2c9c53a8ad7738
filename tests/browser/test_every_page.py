"""Every page for people who use a keyboard, a screen reader or a phone.

axe-core checks each page that the table of routes names, in both themes, with all
details open. Then no page may be wider than a phone or move while it loads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, Error, Page, TimeoutError, expect

from experiments.models import Sweep
from experiments.sweeps.synthetic import Filling, fill_sweep
from tests import factories
from tests.access_world import make_world
from tests.browser_launch import chromium, complaints, required_chromium
from tests.pages.test_access import ROUTES, address

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.django_db(transaction=True),
]
AXE = Path(__file__).resolve().parents[1] / "vendor" / "axe-core" / "axe.min.js"
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# Answers that are no pages, or pages of others.
NOT_PAGES = (".json", ".csv", ".zip", ".txt", "/part", "/log", "/picture")
NOT_PAGES += ("/metrics", "/healthz")
TABS = ("", "trials/", "charts/", "events/", "settings/", "simulator/", "failures/")
# What may move without a person noticing: Chrome's own limit for "good".
MAX_SHIFT = 0.1

SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
CHECK = """async (rules) => {
  for (const each of document.querySelectorAll("details")) each.open = true;
  const only = rules ? { runOnly: rules } : {};
  const found = await axe.run({ preload: false, resultTypes: ["violations"], ...only });
  return found.violations.flatMap((rule) => rule.nodes.map(
    (node) => `${rule.id}: ${node.target} ${node.html.slice(0, 120)}`
      + ` ${node.failureSummary.split("\\n").slice(1).join(" ")}`));
}"""
WIDTH = "document.documentElement.scrollWidth"
FITS_A_PHONE = f"{WIDTH} <= {PHONE['width']}"
NEXT_FRAME = "() => new Promise(requestAnimationFrame)"


def make_content() -> list[str]:
    """A site with all kinds of content; the addresses of its pages."""
    factories.user("sue", is_superuser=True, is_staff=True)
    team = factories.team("Physics", ada="member", vera="viewer", sue="admin")
    ids = make_world(team).ids
    filled = fill_sweep(team, Filling(trials=30, points=12))
    running = fill_sweep(team, Filling(trials=30, points=12, running=4))
    empty = factories.sweep(team, state="draft")
    routes = [address(route, ids) for route, (get, _) in ROUTES.items() if get]
    tabs = [f"/sweeps/{s.pk}/{tab}" for s in (filled, running, empty) for tab in TABS]
    return [*routes, *tabs, *_more(filled)]


def _more(sweep: Sweep) -> Iterator[str]:
    best, *others = sweep.trials.ranked(sweep.goal)[:3]
    yield best.get_absolute_url()
    yield f"/compare/?trials={best.pk},{others[0].pk}"
    yield f"/compare/sweeps/?sweeps={sweep.pk},{sweep.pk + 1}"
    yield f"/sweeps/{sweep.pk}/report.html?part=trials&part=notes&part=document"
    yield f"/experiments/{sweep.experiment_id}/"
    yield f"/sweeps/new/?clone={sweep.pk}"


def logged_in(browser: Any, site: str, **options: Any) -> BrowserContext:
    client = Client()
    client.force_login(factories.user("sue"))
    context: BrowserContext = browser.new_context(viewport=DESKTOP, **options)
    cookie = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": site}])
    return context


def opened(page: Page, url: str, seen: set[str]) -> bool:
    """False: it is no page, or was looked at already."""
    try:
        answer = page.goto(url)
    except Error as error:
        assert "Download is starting" in str(error)
        return False
    kind = answer.headers.get("content-type", "") if answer else ""
    if not answer or answer.status != 200 or "html" not in kind or page.url in seen:
        return False
    seen.add(page.url)
    page.evaluate(NEXT_FRAME)
    return True


def violations(page: Page) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate(CHECK, None)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    dark = page.evaluate(CHECK, ["color-contrast", "link-in-text-block"])
    return [*found, *(f"dark, {each}" for each in dark)]


def problems(page: Page, quiet: list[str]) -> Iterator[str]:
    if (shifted := page.evaluate("window.shifted")) > MAX_SHIFT:
        yield f"moves by {shifted:.2f} while it loads"
    yield from violations(page)
    page.set_viewport_size(PHONE)
    try:
        # Charts take their new width some frames later.
        page.wait_for_function(FITS_A_PHONE, timeout=3000)
    except TimeoutError:
        yield f"is {page.evaluate(WIDTH)} px wide on a phone"
    page.set_viewport_size(DESKTOP)
    # A report file names no icon, so Chromium looks for one itself.
    yield from (each for each in quiet if "favicon.ico" not in each)


def test_every_page_keeps_its_manners(
    live_server: Any, settings: Any, tmp_path: Path
) -> None:
    settings.HOME = tmp_path
    urls = [url for url in make_content() if not url.endswith(NOT_PAGES)]
    found: list[str] = []
    seen: set[str] = set()
    with chromium(required_chromium()) as browser:
        # Only so that the test itself may add axe-core to the page.
        context = logged_in(browser, live_server.url, bypass_csp=True)
        context.add_init_script(SHIFTS)
        page = context.new_page()
        quiet = complaints(page)
        for url in urls:
            quiet.clear()
            if opened(page, live_server.url + url, seen):
                found += [f"{url} {each}" for each in problems(page, quiet)]
    assert len(seen) > 80
    assert not found, "\n".join(found)


def test_menus_simulator_export_and_log_out_need_no_scripts_and_no_mouse(
    live_server: Any, settings: Any, tmp_path: Path
) -> None:
    settings.HOME = tmp_path
    team = factories.team("Physics", sue="admin")
    path = fill_sweep(team, Filling(trials=10, points=8)).get_absolute_url()
    with chromium(required_chromium()) as browser:
        plain = logged_in(browser, live_server.url, java_script_enabled=False)
        page = plain.new_page()
        page.goto(live_server.url + path)
        press(page, "More about synthetic-1")
        expect(page.get_by_role("link", name="Export as JSON")).to_be_visible()
        page.get_by_role("link", name="Policy simulator").press("Enter")
        expect(page.get_by_role("button", name="Simulate")).to_be_visible()
        press(page, "Account of sue")
        press(page, "Log out")
        page.wait_for_url("**/login/**")
        page = logged_in(browser, live_server.url).new_page()
        page.goto(live_server.url + path)
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        press(page, "Account of sue")
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Account of sue")).to_be_focused()
        page.goto(f"{live_server.url}/settings/tokens/new/")
        page.fill("[name=name]", " ")
        page.locator("main button[type=submit]").press("Enter")
        wrong = page.locator("[aria-invalid=true]")
        described = wrong.first.get_attribute("aria-describedby") or ""
        expect(page.locator(f"#{described.split()[0]}")).not_to_be_empty()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).press("Enter")
