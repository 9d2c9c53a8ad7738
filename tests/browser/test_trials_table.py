"""The table of trials in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests import factories
from tests.browser_launch import chromium, log_in, required_chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(120),
]


def test_ticks_survive_paging(live_server: Any) -> None:
    user = factories.user("ada")
    user.set_password("a long enough password")
    user.save()
    sweep = factories.sweep(factories.team(ada="member"), state="completed")
    for value in range(103):
        factories.trial(sweep, state="completed", value=value / 103, params={"x": 0.5})
    with chromium(required_chromium()) as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        log_in(page, live_server.url, user="ada", password="a long enough password")
        page.goto(f"{live_server.url}/sweeps/{sweep.pk}/trials/")
        page.get_by_label("Select trial 102").check()
        expect(page.get_by_text("1 selected", exact=True)).to_be_visible()
        page.get_by_role("link", name="Later").click()
        expect(page.get_by_text("101 to 103 of 103 trials")).to_be_visible()
        page.get_by_label("Select trial 0", exact=True).check()
        expect(page.get_by_text("2 selected, 1 not shown here")).to_be_visible()
        page.get_by_role("link", name="Earlier").click()
        expect(page.get_by_label("Select trial 102")).to_be_checked()
        page.get_by_role("button", name="Compare", exact=True).click()
        expect(page.get_by_role("heading", name="Compare 2 trials")).to_be_visible()
