"""The search-space card in a real browser, by mouse and by keyboard on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from experiments.models import Sweep
from tests import factories
from tests.browser_launch import chromium, complaints, log_in, required_chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(180),
]
# A busy machine may take seconds for each answer.
expect.set_options(timeout=30_000)
PASSWORD = "a long enough password"
ARTICLE = """param_sampling = RandomParameterSampling( {
        "learning_rate": normal(10, 3),
        "keep_probability": uniform(0.05, 0.1),
        "batch_size": choice(16, 32, 64, 128)
    }
)"""
TYPED = (
    ("learning_rate", "normal", {"mu": "10", "sigma": "3"}),
    ("keep_probability", "uniform", {"low": "0.05", "high": "0.1"}),
    ("batch_size", "choice", {"values": "16, 32, 64, 128"}),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(required_chromium()) as started:
        yield started


def opened(browser: Browser, url: str, *, width: int = 1440) -> Page:
    """The form of a new sweep, with what is not in the card filled in."""
    ada = factories.user("ada")
    ada.set_password(PASSWORD)
    ada.save()
    factories.pool(factories.team(ada="member"))
    page = browser.new_page(viewport={"width": width, "height": 900})
    log_in(page, url, user="ada", password=PASSWORD)
    page.goto(f"{url}/sweeps/new/")
    page.fill("[name=primary_metric]", "accuracy")
    return page


def row(page: Page, place: int) -> Locator:
    return page.locator("[data-rows] > [data-row]:not([hidden])").nth(place)


def fill_row(page: Page, place: int, name: str, kind: str, **texts: str) -> None:
    if place or not row(page, place).is_visible():
        page.locator("[data-add]").click()
    own = row(page, place)
    own.locator("[name$='-name']").fill(name)
    own.locator("[name$='-kind']").select_option(kind)
    for field, text in texts.items():
        own.locator(f"[name$='-{field}']").first.fill(text)
    own.locator("[name$='-name']").press("Tab")


def saved(page: Page) -> dict[str, Any]:
    """The document of the draft that the form makes."""
    page.get_by_role("button", name="Save draft").click()
    page.wait_for_url("**/edit/")
    definition: dict[str, Any] = Sweep.objects.latest("pk").definition
    return definition


def test_the_articles_space_is_the_same_by_mouse_and_by_paste(
    browser: Browser, live_server: Any
) -> None:
    page = opened(browser, live_server.url)
    found = complaints(page)
    for place, (name, kind, texts) in enumerate(TYPED):
        fill_row(page, place, name, kind, **texts)
    expect(row(page, 2).locator(".row-chip")).to_have_count(4)
    expect(row(page, 0).locator(".space-picture svg")).to_be_visible()
    # Order counts: down and up again, and by dragging the grip.
    row(page, 0).locator("[data-grip]").press("Alt+ArrowDown")
    expect(row(page, 1).locator("[name$='-name']")).to_have_value("learning_rate")
    row(page, 1).locator("[data-grip]").drag_to(row(page, 0).locator("[data-grip]"))
    expect(row(page, 0).locator("[name$='-name']")).to_have_value("learning_rate")
    typed = saved(page)["search_space"]
    page.goto(f"{live_server.url}/sweeps/new/")
    page.fill("[name=primary_metric]", "accuracy")
    page.locator("#paste > summary").click()
    page.fill("[name=paste]", ARTICLE)
    page.locator("[name=do][value=paste]").click()
    expect(row(page, 2).locator("[name$='-values']")).to_have_value("16, 32, 64, 128")
    assert saved(page)["search_space"] == typed
    assert list(typed) == [name for name, _, _ in TYPED]
    assert found == []
    page.close()


def test_a_condition_and_a_constraint_by_mouse(
    browser: Browser, live_server: Any
) -> None:
    page = opened(browser, live_server.url)
    found = complaints(page)
    fill_row(page, 0, "optimizer", "choice", values="sgd, adam")
    fill_row(page, 1, "momentum", "uniform", low="0.5", high="0.99")
    fill_row(page, 2, "hidden", "choice", values="16, 32, 64, 128, 256")
    fill_row(page, 3, "batch_size", "choice", values="16, 32, 64, 128")
    momentum = row(page, 1)
    momentum.locator("summary").click()
    momentum.get_by_role("button", name="Only when").click()
    momentum.locator("[name$='-when']").select_option("optimizer")
    momentum.locator("[name$='-when_is']").select_option("is not")
    momentum.locator("[name$='-when_values']").fill("adam")
    share = "Half of the draws; otherwise momentum is not set."
    expect(momentum.locator("[data-share]")).to_have_text(share)
    momentum.get_by_role("button", name="Done").click()
    expect(momentum.locator(".space-when")).to_contain_text("optimizer")
    # A policy from the fold moves out of it and keeps the focus.
    page.locator("[data-deck=policy] summary").click()
    page.locator("[data-deck=policy] .deck-more [data-card=patience]").click()
    picked = page.locator("[data-deck=policy] fieldset > .picks [value=patience]")
    expect(picked).to_be_checked()
    expect(picked).to_be_focused()
    page.locator("[name=patience]").fill("5")
    page.locator("[data-add-constraint]").click()
    page.locator("[data-constraint] [name$='-rule']").fill(
        "hidden * batch_size <= 16384"
    )
    words = re.compile("keeps 9[3-7] % of draws; out: 256 . 128")
    expect(page.locator("[data-rule-share]")).to_contain_text(words)
    page.locator("[data-samples]").first.click()
    expect(page.locator("#samples tbody tr")).to_have_count(10)
    document = saved(page)
    assert document["search_space"]["momentum"]["when"] == {"optimizer": ["sgd"]}
    assert document["constraints"] == ["hidden * batch_size <= 16384"]
    assert found == []
    page.close()


def test_a_condition_and_a_constraint_by_keyboard_on_a_phone(
    browser: Browser, live_server: Any
) -> None:
    page = opened(browser, live_server.url, width=390)
    keys = page.keyboard
    page.locator("[name='row-0-name']").focus()
    keys.type("optimizer")
    page.locator("[name='row-0-values']").focus()
    keys.type("sgd, adam")
    page.locator("[data-add]").press("Enter")
    keys.type("momentum")
    keys.press("Tab")
    keys.type("uniform")
    keys.press("Tab")
    keys.type("0.5")
    keys.press("Tab")
    keys.type("0.99")
    more = row(page, 1).locator("summary")
    more.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(row(page, 1).locator("[data-menu]")).not_to_have_attribute("open", "")
    expect(more).to_be_focused()
    more.press("Enter")
    row(page, 1).get_by_role("button", name="Only when").press("Enter")
    keys.type("optimizer")
    keys.press("Tab")
    keys.press("Tab")
    keys.type("sgd")
    share = "Half of the draws; otherwise momentum is not set."
    expect(row(page, 1).locator("[data-share]")).to_have_text(share)
    keys.press("Enter")
    page.locator("[data-add-constraint]").press("Enter")
    keys.type("momentum < 0.02 or momentum > 0.6")
    expect(page.locator("[data-rule-share]")).to_contain_text("of draws")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    document = saved(page)
    assert document["search_space"]["momentum"]["when"] == {"optimizer": ["sgd"]}
    assert document["constraints"] == ["momentum < 0.02 or momentum > 0.6"]
    page.close()
