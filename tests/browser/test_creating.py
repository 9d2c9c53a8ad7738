"""A sweep is created by the keyboard alone, on a phone, and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from experiments.models import Sweep
from experiments.models.sweeps import SweepState
from tests import factories
from tests.browser_launch import chromium, complaints, log_in, required_chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(180),
]
PASSWORD = "a long enough password"
PHONE = {"width": 390, "height": 844}
HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>\u202e"
MAX_TABS = 120
SAVED_AFTER = 2_500  # milliseconds, as autosave.js waits


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(required_chromium()) as started:
        yield started


def opened(browser: Browser, url: str, **options: Any) -> Page:
    """The form of a new sweep."""
    ada = factories.user("ada")
    ada.set_password(PASSWORD)
    ada.save()
    factories.pool(factories.team(ada="member"))
    page = browser.new_page(**options)
    page.set_default_timeout(30_000)
    log_in(page, url, user="ada", password=PASSWORD)
    page.goto(f"{url}/sweeps/new/")
    return page


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the control with this name, value or text has the focus."""
    found = "document.activeElement.name || ''"
    words = "document.activeElement.textContent.trim()"
    for _ in range(MAX_TABS):
        page.keyboard.press("Tab")
        if name in (page.evaluate(found), page.evaluate(words)):
            return
    pytest.fail(f"Tab does not reach {name}")


def settle(page: Page) -> None:
    """Wait until the entries are saved and nothing is under way: SQLite in memory,
    unlike a site's file, refuses a reader beside a writer."""
    page.wait_for_timeout(SAVED_AFTER)
    page.wait_for_load_state("networkidle")


def test_a_sweep_is_started_by_the_keyboard_alone_on_a_phone(
    browser: Browser, live_server: Any
) -> None:
    page = opened(browser, live_server.url, viewport=PHONE)
    found = complaints(page)
    keys = page.keyboard
    tab_to(page, "command")
    keys.press("Control+a")
    keys.type("python train.py")
    tab_to(page, "primary_metric")
    keys.type("val_loss")
    tab_to(page, "goal")
    expect(page.locator("[name=goal][value=minimize]")).to_be_checked(timeout=30_000)
    tab_to(page, "row-0-name")
    keys.type("lr")
    tab_to(page, "row-0-kind")
    keys.type("unif")
    tab_to(page, "row-0-low")
    keys.type("0.1")
    tab_to(page, "row-0-high")
    keys.type("0.9")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    tab_to(page, "Start sweep")
    settle(page)
    keys.press("Enter")
    page.wait_for_url(re.compile(r"/sweeps/\d+/$"))
    sweep = Sweep.objects.get()
    assert sweep.state == SweepState.RUNNING
    assert sweep.definition["objective"]["goal"] == "minimize"
    assert list(sweep.definition["search_space"]) == ["lr"]
    assert found == []
    page.close()


def test_a_condition_and_a_constraint_without_javascript(
    browser: Browser, live_server: Any
) -> None:
    page = opened(browser, live_server.url, java_script_enabled=False)
    expect(page.get_by_text("Updates with the form")).to_be_hidden()
    words = page.locator("[data-choose-words]").bounding_box()
    assert words is not None
    assert words["width"] <= 1, "the browser's own button has the same words"
    page.fill("[name=primary_metric]", "val_loss")
    page.fill("[name='row-0-name']", "optimizer")
    page.fill("[name='row-0-values']", "sgd, adam")
    page.locator("[name=do][value=add]").click()
    page.fill("[name='row-1-name']", "momentum")
    page.select_option("[name='row-1-kind']", "uniform")
    page.locator("[name=do][value=update]").nth(2).click()
    page.fill("[name='row-1-low']", "0.5")
    page.fill("[name='row-1-high']", "0.99")
    page.locator(".space-menu summary").nth(1).click()
    page.locator("[name=do][value='when:1']").last.click()
    page.select_option("[name='row-1-when']", "optimizer")
    page.fill("[name='row-1-when_values']", "sgd")
    page.locator("[name=do][value=add-constraint]").click()
    page.fill("[name='constraint-0-rule']", "momentum < 0.7 or momentum > 0.8")
    page.get_by_role("button", name="Start sweep").click()
    page.wait_for_url(re.compile(r"/sweeps/\d+/$"))
    sweep = Sweep.objects.get()
    assert sweep.state == SweepState.RUNNING
    assert sweep.definition["objective"]["goal"] == "minimize"
    momentum = sweep.definition["search_space"]["momentum"]
    assert momentum["when"] == {"optimizer": ["sgd"]}
    assert sweep.definition["constraints"] == ["momentum < 0.7 or momentum > 0.8"]
    page.close()


def test_hostile_texts_in_all_fields_run_nothing(
    browser: Browser, live_server: Any
) -> None:
    page = opened(browser, live_server.url)
    fields = "#builder-form :is(input:not([type]), input[type=text], textarea):visible"
    for field in page.locator(fields).all():
        field.fill(HOSTILE)
    settle(page)
    page.get_by_role("button", name="Start sweep").click()
    expect(page.locator("[data-bar]")).to_contain_text("problems")
    expect(page.locator("[data-twin]")).to_contain_text("onerror")
    assert page.locator(".field-error").count() > 3
    assert page.evaluate("window.hacked") is None
    assert not Sweep.objects.exists()
    page.close()
