"""What a slot does with a job when the site's answers get lost."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.runner.errors import SiteAway
from experiments.workers import jobs


class ForgetfulSite:
    """Gives the attempt away, but its answer is lost, and so are some after it."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.calls: list[str] = []

    def __call__(self, url: str, token: str) -> ForgetfulSite:
        return self

    def claim(self, attempt: int, **place: int) -> dict[str, Any]:
        self.calls.append("claim")
        raise SiteAway("the connection was closed")

    def slot_idle(self, worker: int, slot: int) -> list[int]:
        self.calls.append(f"idle {worker} {slot}")
        if len(self.calls) <= self.lost:
            raise SiteAway("still away")
        return [7]


@pytest.fixture(autouse=True)
def slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEPSITE_WORKER_ID", "3")
    monkeypatch.setenv("SWEEPSITE_SLOT_NUMBER", "1")
    monkeypatch.setattr(jobs, "PAUSES", (0.0,) * 5)


def test_a_lost_answer_to_a_claim_does_not_cost_a_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = ForgetfulSite(lost=3)
    monkeypatch.setattr(jobs, "WorkerSite", site)
    with pytest.raises(SiteAway):
        jobs.run_attempt(7)
    assert site.calls == ["claim", "idle 3 1", "idle 3 1", "idle 3 1"]


def test_a_site_that_stays_away_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = ForgetfulSite(lost=100)
    monkeypatch.setattr(jobs, "WorkerSite", site)
    with pytest.raises(SiteAway):
        jobs.run_attempt(7)
    assert len(site.calls) == 6
