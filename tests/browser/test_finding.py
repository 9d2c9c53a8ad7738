"""Finding things: the search of all pages by keyboard, tags, and saved views."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from experiments.models import Sweep
from tests import factories
from tests.browser_launch import chromium, complaints, log_in, required_chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(120),
]
PASSWORD = "a long enough password"


@pytest.fixture
def sweep() -> Sweep:
    ada = factories.user("ada")
    ada.set_password(PASSWORD)
    ada.save()
    sweep = factories.sweep(factories.team(ada="member"), user=ada)
    for value in (0.5, 0.75, 0.625, 0.25):
        factories.reported_trial(sweep, [value / 2, value], state="completed")
    # Loads the site's code before the browser waits for its first page.
    assert sweep.get_absolute_url()
    return sweep


def test_things_are_found_tagged_and_kept_as_views(
    live_server: Any, sweep: Sweep
) -> None:
    with chromium(required_chromium()) as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        found = complaints(page)
        log_in(page, live_server.url, user="ada", password=PASSWORD)
        searching(page, sweep)
        tagging(page)
        views(page, live_server.url, sweep)
        filtering(page, live_server.url, sweep)
        comparing(page, live_server.url, sweep)
        assert found == []


def searching(page: Page, sweep: Sweep) -> None:
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search sweeps")
    expect(box).to_be_focused()
    page.keyboard.type("digits")
    first = page.get_by_role("option", name=sweep.label)
    expect(first).to_have_attribute("aria-selected", "true")
    expect(page.locator("mark").first).to_have_text("digits")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("option").last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Tab")
    expect(page.get_by_role("group", name="Experiments")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type(f"1/{sweep.trials.latest('pk').number}")
    expect(page.get_by_role("option").first).to_contain_text(sweep.label)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Trial 3")).to_be_visible()


def tagging(page: Page) -> None:
    page.get_by_role("link", name="tag", exact=True).click()
    page.get_by_label("A name, or name = value").fill("paper = <b>2</b>")
    page.keyboard.press("Enter")
    expect(page.locator(".chip").filter(has_text="paper: <b>2</b>")).to_be_visible()
    page.get_by_role("button", name="Remove tag paper").click()
    expect(page.get_by_text("paper:")).to_have_count(0)


def views(page: Page, url: str, sweep: Sweep) -> None:
    page.goto(f"{url}/experiments/{sweep.experiment_id}/?kind=sweep")
    page.get_by_role("button", name="Save as view").click()
    page.get_by_label("Name of the view").fill("sweeps only")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="view: sweeps only")).to_be_visible()
    assert "kind=sweep" in page.url
    page.evaluate("history.replaceState(null, '', '?kind=run&view=1')")
    page.get_by_role("button", name="view: sweeps only").click()
    expect(page.get_by_text(", changed")).to_be_visible()


def filtering(page: Page, url: str, sweep: Sweep) -> None:
    """Conditions are completed and become chips; an error keeps what was typed."""
    page.goto(f"{url}/experiments/{sweep.experiment_id}/")
    box = page.get_by_role("combobox", name="Filter")
    box.press_sequentially("trial")
    expect(page.get_by_role("option").filter(has_text="trials")).to_be_visible()
    page.keyboard.press("Tab")
    box.press_sequentially("> 0 andd")
    page.keyboard.press("Enter")
    expect(page.locator("[data-filter-error]")).to_contain_text("andd")
    expect(box).to_have_value("trials > 0 andd")
    box.fill("trials > 0")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=trials+**")
    box.fill("digits-1")
    page.keyboard.press("Enter")
    expect(page.locator("[data-conditions] .chip")).to_have_count(2)
    expect(page.get_by_role("link", name=sweep.label, exact=True)).to_be_visible()


def comparing(page: Page, url: str, sweep: Sweep) -> None:
    """Ticks change the right card and are in the address; nothing else moves."""
    other = factories.sweep(sweep.experiment.team)
    factories.reported_trial(other, [0.125], state="completed")
    page.goto(f"{url}/experiments/{sweep.experiment_id}/")
    for each in (sweep, other):
        page.get_by_label(f"Compare {each.label}, its best trial").check()
    expect(page.get_by_role("heading", name="Comparison of 2 sweeps")).to_be_visible()
    expect(page.get_by_text("The 2 ticked sweeps.")).to_be_visible()
    assert "trials=" in page.url
    page.get_by_label(f"Best trials of {sweep.label}").click()
    expect(page.get_by_text(f"All trials of {sweep.label}")).to_be_visible()
    expect(page.get_by_label(f"Compare {other.label}, its best trial")).to_be_checked()
