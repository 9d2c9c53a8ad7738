"""Linked charts in a real browser: brush, keyboard, URL, live updates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from experiments.models import Sweep
from experiments.sweeps.synthetic import Filling, fill_sweep
from tests import factories
from tests.browser_launch import chromium, complaints, log_in, required_chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(180),
]
PASSWORD = "a long enough password"
DRAWN = "[data-drawn]"
# Draws the curves of the page once more, in a frame that shrinks in the meantime.
SHRINKING = """async () => {
  const base = document.querySelector("script[src*='pages/sweep']").src;
  const { drawCurves } = await import(new URL("../charts/curves.js", base));
  const model = JSON.parse(document.getElementById("sweep-model").textContent);
  const canvas = document.createElement("canvas");
  const frame = document.createElement("div");
  frame.append(canvas);
  document.body.append(frame);
  let width = 600;
  frame.getBoundingClientRect = () => new DOMRect(0, 0, width -= 10, 300);
  const { chart } = drawCurves(canvas, model);
  await new Promise((done) => setTimeout(done, 200));
  return chart.chartArea.width;
}"""


@pytest.fixture
def sweep() -> Sweep:
    user = factories.user("ada")
    user.set_password(PASSWORD)
    user.save()
    filling = Filling(trials=40, points=6, running=2)
    return fill_sweep(factories.team(ada="member"), filling)


@pytest.fixture
def page(live_server: Any, sweep: Sweep) -> Iterator[Page]:
    with chromium(required_chromium()) as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(30_000)
        log_in(page, live_server.url, user="ada", password=PASSWORD)
        yield page


def axis(page: Page, name: str) -> Locator:
    return page.locator("#parallel .axis-title", has_text=re.compile(f"^{name}"))


def drag_along(page: Page, name: str, start: int, end: int) -> None:
    """Along an axis of parallel coordinates, in pixels below its name."""
    title = axis(page, name)
    title.scroll_into_view_if_needed()
    box = title.bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + start)
    page.mouse.down()
    page.mouse.move(x, box["y"] + (start + end) / 2)
    page.mouse.move(x, box["y"] + end)
    page.mouse.up()


def test_a_brush_selects_in_all_charts_and_is_in_the_url(
    page: Page, live_server: Any, sweep: Sweep
) -> None:
    found = complaints(page)
    page.goto(f"{live_server.url}/sweeps/{sweep.pk}/charts/")
    page.wait_for_selector(DRAWN)
    bar = page.get_by_role("region", name="Selection")
    expect(bar).to_contain_text("Nothing selected")
    drag_along(page, "dropout", 60, 150)
    expect(bar).to_contain_text(re.compile(r"\d+ of 40 selected"))
    expect(page).to_have_url(re.compile(r"q=dropout\+%3E%3D"))
    # A wrong filter leaves the selection, and says so above the cards.
    selected, url = bar.get_by_role("button", name="Remove").all_inner_texts(), page.url
    page.get_by_label("Filter trials").fill("dropout < 0.1 and nope")
    page.keyboard.press("Enter")
    wrong = bar.get_by_role("alert")
    expect(wrong).to_contain_text("nope")
    assert bar.get_by_role("button", name="Remove").all_inner_texts() == selected
    assert page.url == url
    boxes = wrong.bounding_box(), page.locator("#parallel").bounding_box()
    assert boxes[0] and boxes[1] and boxes[0]["y"] + boxes[0]["height"] < boxes[1]["y"]
    page.get_by_label("Filter trials").fill("")
    page.get_by_label("Filter trials").blur()
    page.reload()
    page.wait_for_selector(DRAWN)
    # The slice of the same parameter and the strip of importance show the same range.
    words = axis(page, "dropout").get_attribute("aria-valuetext") or ""
    assert " to " in words
    slice_ = page.get_by_role("slider", name="Slice: dropout")
    expect(slice_).to_have_attribute("aria-valuetext", words)
    expect(page.locator("#parallel [data-note]")).to_contain_text("selected by rank")
    region = page.get_by_role("link", name="New sweep from this region")
    expect(region).to_have_attribute("href", re.compile(r"clone=\d+&bounds=dropout%3A"))
    # The keyboard narrows it on a second axis; Escape clears that axis alone.
    slice_.focus()
    axis(page, "learning_rate").focus()
    page.keyboard.press("ArrowUp")
    expect(page).to_have_url(re.compile("learning_rate"))
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("learning_rate"))
    # Alt and an arrow move the axis, which the URL keeps.
    axis(page, "dropout").focus()
    page.keyboard.press("Alt+ArrowLeft")
    expect(page).to_have_url(re.compile("axes="))
    count = bar.locator("[data-selection-count]").inner_text()
    page.reload()
    page.wait_for_selector(DRAWN)
    expect(bar).to_contain_text(count)
    bar.get_by_role("button", name="Remove dropout").click()
    expect(bar).to_contain_text("Nothing selected")
    page.go_back()
    expect(bar).to_contain_text(count)
    bar.get_by_role("link", name="Show in table").click()
    expect(page).to_have_url(re.compile(r"/trials/\?q=dropout"))
    assert found == []


def test_live_news_reach_the_charts_and_keep_the_selection(
    page: Page, live_server: Any, sweep: Sweep
) -> None:
    q = "dropout <= 0.3"
    page.goto(f"{live_server.url}/sweeps/{sweep.pk}/charts/?q={q}")
    page.wait_for_selector(DRAWN)
    bar = page.get_by_role("region", name="Selection")
    before = bar.locator("[data-selection-count]").inner_text()
    new = factories.trial(sweep, params={"dropout": 0.1, "learning_rate": 0.01})
    sweep.trials.filter(pk=new.pk).update(
        state="completed", value=0.5, ended_at=timezone.now(), updated_at=timezone.now()
    )
    expect(bar).to_contain_text("of 41 selected")
    assert bar.locator("[data-selection-count]").inner_text() != before
    expect(page).to_have_url(re.compile("q=dropout"))


def test_the_overview_is_linked_with_its_table(
    page: Page, live_server: Any, sweep: Sweep
) -> None:
    page.goto(f"{live_server.url}/sweeps/{sweep.pk}/")
    page.wait_for_selector(DRAWN)
    row = page.locator("tr[data-row]").first
    row.hover()
    expect(row).to_have_class(re.compile("is-linked"))
    drag_along(page, "dropout", 60, 150)
    bar = page.get_by_role("region", name="Selection")
    expect(bar).to_contain_text(re.compile(r"\d+ of 40 selected"))
    expect(page).to_have_url(re.compile("q=dropout"))
    # A frame that changes its size while a chart is made spoils nothing.
    assert page.evaluate(SHRINKING) > 0
