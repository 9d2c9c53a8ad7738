"""sweep start, pause, resume, cancel and extend."""

from __future__ import annotations

import pytest

from experiments.models import Attempt, Event, Team
from tests import factories
from tests.management.conftest import Run


@pytest.fixture
def team() -> Team:
    return factories.team("Physics", ada="member")


def test_a_sweep_goes_its_way_by_commands(run: Run, team: Team) -> None:
    sweep = factories.sweep(team, state="draft")
    for words, state in (
        (("start", "digits-1"), "running"),
        (("pause", sweep.pk), "paused"),
        (("resume", "digits-1"), "running"),
        (("cancel", "digits-1"), "cancelled"),
        (("extend", "digits-1", 3), "running"),
    ):
        ran = run("sweep", *words)
        assert (ran.code, ran.out) == (0, f"digits-1 is {state}.\n")
        sweep.refresh_from_db()
        assert sweep.state == state
    assert sweep.max_total_trials == 3


def test_requeue_puts_running_trials_back(run: Run, team: Team) -> None:
    sweep = factories.sweep(team)
    factories.claim(factories.trial(sweep))
    ran = run("sweep", "pause", "digits-1", "--requeue", "--user", "ada")
    assert ran.out == "digits-1 is paused.\n"
    assert Attempt.objects.get().release_requested_at is not None
    event = Event.objects.get(sweep=sweep, verb="trials put back")
    assert event.actor == factories.user("ada")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("start", "digits-1"), "only a draft can be started"),
        (("extend", "digits-1", "3"), "only one that has ended can be extended"),
        (("extend", "digits-1", "0"), "trials must be a whole number from 1"),
        (("pause", "digits-7"), "There is no sweep"),
        (("cancel", "digits-1", "--user", "nobody"), "There is no user"),
    ],
)
def test_what_is_not_possible_is_said(
    run: Run, team: Team, words: tuple[str, ...], said: str
) -> None:
    factories.sweep(team, state="paused")
    ran = run("sweep", *words)
    assert ran.code == 1 and said in ran.err
