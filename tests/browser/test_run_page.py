"""A single run's page in a real browser: it follows the program without a reload."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from experiments import lifecycle
from experiments.models.trials import TrialState
from tests import factories
from tests.browser_launch import chromium, complaints, log_in, required_chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(120),
]
POINTS = """id => Chart.getChart(document.querySelector(`#${id} canvas`))
  .data.datasets[0].data.length"""


def test_a_run_is_followed_to_its_end(live_server: Any) -> None:
    ada = factories.user("ada")
    ada.set_password("a long enough password")
    ada.save()
    run = factories.run(factories.team(ada="member"), "svm", created_by=ada)
    with chromium(required_chromium()) as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        found = complaints(page)
        log_in(page, live_server.url, user="ada", password="a long enough password")
        expect(page.get_by_text("Recent runs")).to_be_visible()
        page.get_by_role("link", name="svm").click()
        expect(page.get_by_text("No metrics yet").first).to_be_visible()
        factories.report(run, [0.25, 0.5])
        expect(page.locator("#run-chart-0 canvas")).to_be_visible(timeout=30_000)
        assert page.evaluate(POINTS, "run-chart-0") == 2
        factories.report(run, [0.75], first_step=2)
        factories.report(run, [1.0, 2.0], name="aaa")
        expect(page.locator("#run-chart-1 h2")).to_have_text("accuracy", timeout=30_000)
        page.wait_for_function(f"({POINTS})('run-chart-1') === 3")
        lifecycle.finish_run(run, TrialState.COMPLETED)
        expect(page.get_by_text("It completed")).to_be_visible(timeout=30_000)
        page.get_by_role("link", name="Move to trash").click()
        page.get_by_role("button", name="Move to trash").click()
        expect(page.get_by_text("svm was moved to the trash.")).to_be_visible()
        page.get_by_role("button", name="Restore").click()
        expect(page.get_by_role("heading", name="svm", exact=True)).to_be_visible()
        assert found == []
