"""How long a runner insists, without a site: the call just fails so many times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest

from experiments.runner import retry
from experiments.runner.errors import SiteAway
from experiments.runner.retry import Retry
from experiments.runner.signals import Signals


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.001)


def failing(times: int) -> Callable[[], str]:
    failures = iter([SiteAway("away")] * times)

    def call() -> str:
        for problem in failures:
            raise problem
        return "delivered"

    return call


def answering(*told: bool) -> Callable[[], bool]:
    """What is known of the site at each failure, the last for all that follow."""
    each: Iterator[bool] = chain(told, repeat(told[-1]))
    return lambda: next(each)


def test_who_answers_others_but_not_this_call_is_given_up() -> None:
    with pytest.raises(SiteAway):
        Retry(Signals(), seconds=0.0).call(failing(3))


def test_a_site_that_is_away_is_waited_for() -> None:
    insisting = Retry(Signals(), seconds=0.0, answers=answering(False))
    assert insisting.call(failing(20)) == "delivered"


def test_the_site_says_how_long_to_wait() -> None:
    failures = iter([SiteAway("busy", retry_after=0.3)])

    def call() -> float:
        for problem in failures:
            raise problem
        return time.monotonic()

    began = time.monotonic()
    assert Retry(Signals(), seconds=60.0).call(call) - began >= 0.3


def test_time_counts_from_when_the_site_is_back() -> None:
    insisting = Retry(Signals(), seconds=60.0, answers=answering(False, True))
    assert insisting.call(failing(5)) == "delivered"
    insisting = Retry(Signals(), seconds=0.0, answers=answering(False, True))
    with pytest.raises(SiteAway):
        insisting.call(failing(5))
