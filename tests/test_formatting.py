"""Numbers in words, whatever a row holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from experiments.formatting import number_text, relative_text
from experiments.models import Trial
from tests import factories

HUGE = 10**400


@pytest.mark.parametrize(
    ("value", "text"),
    (
        (HUGE, "1.000e400"),
        (-HUGE, "\u22121.000e400"),
        (123456 * 10**4_200, "1.235e4205"),
        (10**15 - 1, "999999999999999"),
        (10**15, "1.000e15"),
        (1e300, "1.000e300"),
        (-5, "\u22125"),
    ),
)
def test_a_number_of_any_size_has_a_text(value: float, text: str) -> None:
    assert number_text(value) == text


PAGES = (
    "/sweeps/{sweep}/",
    "/sweeps/{sweep}/trials/",
    "/sweeps/{sweep}/trials/?sort=x",
    "/sweeps/{sweep}/feed.json",
    "/trials/{trial}/",
    "/trials/{trial}/feed.json",
    "/compare/?trials={trial},{other}",
    "/api/v1/sweeps/{sweep}/trials",
    "/api/v1/trials/{trial}",
)


@pytest.mark.django_db
def test_pages_with_a_huge_stored_value(
    client: Client, settings: Any, tmp_path: Path
) -> None:
    settings.HOME = tmp_path
    space = {"x": {"type": "choice", "values": [1, 2]}}
    document = factories.definition_document(search_space=space)
    made = factories.sweep(factories.team(ada="member"), document=document)
    trials = [factories.reported_trial(made, [0.5], state="completed") for _ in "ab"]
    Trial.objects.filter(pk=trials[0].pk).update(params={"x": HUGE})
    client.force_login(factories.user("ada"))
    client.raise_request_exception = False
    names = {"sweep": made.pk, "trial": trials[0].pk, "other": trials[1].pk}
    pages = [page.format(**names) for page in PAGES]
    headers = {"Authorization": f"Bearer {factories.api_token(factories.user('ada'))}"}
    answers = {page: client.get(page, headers=headers).status_code for page in pages}
    assert {page: code for page, code in answers.items() if code >= 400} == {}


def test_what_ends_in_7_days_does_not_say_6_at_once() -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    for ends, text in (
        (timedelta(days=7, seconds=-5), "in 7 days"),
        (timedelta(days=1, seconds=-5), "in 1 day"),
        (timedelta(hours=2, minutes=10), "in 2 h"),
    ):
        assert relative_text(now + ends, now) == text
