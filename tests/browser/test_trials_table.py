"""The tables of trials in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from experiments.models import Sweep, Trial
from experiments.sweeps.synthetic import Filling, fill_sweep
from tests import factories
from tests.browser_launch import chromium, log_in, required_chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(300),
]
expect.set_options(timeout=30_000)


@pytest.fixture
def page(live_server: Any) -> Iterator[Page]:
    """Ada's browser."""
    user = factories.user("ada")
    user.set_password("a long enough password")
    user.save()
    with chromium(required_chromium()) as browser:
        opened = browser.new_page(viewport={"width": 1440, "height": 900})
        opened.set_default_timeout(60_000)
        log_in(opened, live_server.url, user="ada", password="a long enough password")
        yield opened


@pytest.fixture
def sweep(page: Page, live_server: Any) -> Sweep:
    """400 trials on the Trials tab, some running."""
    made = fill_sweep(
        factories.team(ada="member"), Filling(trials=400, points=5, running=4)
    )
    page.goto(f"{live_server.url}/sweeps/{made.pk}/trials/")
    return made


def rows(page: Page) -> Any:
    return page.locator("[data-rows-body] tr[data-number]")


def put(page: Page, text: str) -> None:
    page.get_by_role("combobox", name="Filter").fill(text)
    page.keyboard.press("Enter")


def test_a_filter_is_completed_becomes_chips_and_an_error_changes_nothing(
    page: Page, sweep: Sweep
) -> None:
    box = page.get_by_role("combobox", name="Filter")
    box.press_sequentially("drop")
    option = page.get_by_role("option").filter(has_text="dropout")
    expect(option).to_be_visible()
    page.keyboard.press("Tab")
    expect(box).to_have_value("dropout ")
    box.press_sequentially("< 0.2 and completed")
    expect(page.locator("[data-filter-count]")).to_have_text(re.compile("match so far"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"q=dropout"))
    expect(page.locator("[data-conditions] .chip")).to_have_count(2)
    expect(box).to_have_value("")
    found = page.locator("[data-total]").inner_text()
    put(page, "layers <")
    expect(page.locator("[data-filter-error]")).to_have_text(
        re.compile("missing after")
    )
    expect(page.locator("[data-filter-error]")).to_be_visible()
    expect(box).to_have_attribute("aria-invalid", "true")
    assert page.locator("[data-total]").inner_text() == found
    put(page, "layers = 99")
    expect(page.locator("[data-empty]")).to_contain_text("Without layers = 99")
    page.get_by_role("link", name="Without layers = 99").click()
    expect(page.locator("[data-total]")).to_have_text(found)
    page.get_by_role("link", name="Remove the condition completed").click()
    expect(page.locator("[data-conditions] .chip")).to_have_count(1)
    page.go_back()
    expect(page.locator("[data-total]")).to_have_text(found)


def test_rows_sorts_columns_and_places_are_in_the_address(
    page: Page, sweep: Sweep
) -> None:
    expect(page.get_by_role("slider")).to_have_attribute(
        "aria-valuetext", re.compile("^Rows 1 to .. of 400$")
    )
    page.get_by_role("link", name="accuracy").click()
    expect(page).to_have_url(re.compile("sort=-value$"))
    expect(page.locator("[data-position]")).to_have_text(re.compile("^1 to"))
    expect(page.locator("[data-pinned] tr")).to_have_count(1)
    page.get_by_role("link", name="took").click()
    expect(page).to_have_url(re.compile("sort=-?took"))
    page.get_by_role("link", name="dropout").click(modifiers=["Shift"])
    expect(page).to_have_url(re.compile(r"sort=-?took,-?p\.dropout"))
    page.get_by_label("Rank, trial or value").fill("300")
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page).to_have_url(re.compile("rank="))
    expect(rows(page).first).to_be_visible()
    assert rows(page).count() < 80
    page.get_by_role("button", name=re.compile("Columns")).click()
    panel = page.get_by_role("complementary")
    panel.get_by_role("searchbox").fill("layers")
    panel.get_by_role("checkbox", name="layers").uncheck()
    expect(page).to_have_url(re.compile("cols="))
    expect(page.locator("thead")).not_to_contain_text("layers")
    address = page.url
    page.reload()
    expect(page.locator("thead")).not_to_contain_text("layers")
    expect(page.locator("[data-position]")).not_to_have_text(re.compile("^1 to"))
    assert page.url == address
    page.get_by_role("button", name=re.compile("Columns")).click()
    panel.get_by_role("searchbox").fill("dropout")
    panel.get_by_role("button", name="Sort by dropout").click()
    expect(page).to_have_url(re.compile(r"sort=p\.dropout&"))
    expect(panel.get_by_role("button", name="Sort by dropout")).to_have_text("↑")


def test_ticks_outlive_filters_pages_and_live_updates_and_acts_can_be_undone(
    page: Page, sweep: Sweep, live_server: Any
) -> None:
    expect(rows(page).first).to_be_visible()
    for key in ("j", "j", "x", "j", "Shift+X"):
        page.keyboard.press(key)
    bar = page.get_by_role("region", name="Ticked trials")
    expect(bar).to_contain_text("2 trials ticked")
    expect(page.locator(".rail-tick")).to_have_count(2)
    put(page, "completed")
    expect(bar).to_contain_text("2 outside these rows")
    put(page, "number < 9")
    expect(page.locator("[data-conditions] .chip")).to_have_count(2)
    page.get_by_role("checkbox", name="Tick all that match").check()
    ended = sweep.trials.filter(number__lt=9, state="completed").count()
    expect(bar).to_contain_text(f"{ended} trials ticked")
    bar.get_by_role("button", name="Archive").click()
    page.get_by_role("dialog").get_by_role("button", name="Archive trials").click()
    said = page.get_by_role("status").filter(has_text=f"Archived {ended} trials.")
    expect(said).to_be_visible()
    expect(page.locator("[data-empty]")).to_be_visible()
    said.get_by_role("button", name="Undo").click()
    expect(rows(page).first).to_be_visible()
    assert not sweep.trials.filter(archived_at__isnull=False).exists()
    page.goto(f"{live_server.url}/sweeps/{sweep.pk}/trials/?q=running")
    expect(bar).to_contain_text(f"{ended} outside these rows")
    first = rows(page).first.get_attribute("data-number")
    page.get_by_label(f"Select trial {first}", exact=True).check()
    one = sweep.trials.get(number=int(first or 0))
    factories.report(one, [0.123456], first_step=100)
    expect(page.locator(f'tr[data-number="{first}"]')).to_contain_text("6 /")
    expect(page.get_by_label(f"Select trial {first}", exact=True)).to_be_checked()
    # From now on it asks only for what looks different.
    with page.expect_response(lambda answer: "since=1" in answer.url):
        factories.report(one, [0.2], first_step=101)
    expect(page.locator(f'tr[data-number="{first}"]')).to_contain_text("7 /")
    assert rows(page).count() > 1
    expect(page.get_by_role("heading", level=1)).to_contain_text(sweep.label)
    page.goto(f"{live_server.url}/sweeps/{sweep.pk}/")
    expect(page.get_by_text(re.compile(f"{ended + 1} selected"))).to_be_visible()


def test_ticks_of_the_overview_are_compared(page: Page, live_server: Any) -> None:
    made = factories.sweep(factories.team(ada="member"), state="completed")
    for value in range(13):
        factories.trial(made, state="completed", value=value / 13, params={"x": 0.5})
    page.goto(f"{live_server.url}/sweeps/{made.pk}/")
    page.get_by_label("Select trial 12", exact=True).check()
    page.get_by_label("Select trial 11", exact=True).check()
    expect(page.get_by_text("2 selected", exact=True)).to_be_visible()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("heading", name="Compare 2 trials")).to_be_visible()
    assert Trial.objects.filter(sweep=made).count() == 13
