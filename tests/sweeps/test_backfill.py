"""Which configurations of a sweep have no outcome, and running exactly these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from experiments import lifecycle
from experiments.models import Event, Sweep, Trial
from experiments.models.trials import Origin
from experiments.scheduling import rounds
from experiments.sweeps import backfill, requests
from experiments.sweeps.control import NotPossible
from tests import factories
from tests.sweeps.test_requests import end, run_to_the_end, sweep

pytestmark = pytest.mark.django_db


def kinds(found: Iterable[backfill.MissingTrial]) -> list[tuple[int, str]]:
    return [(gap.number, gap.kind) for gap in found]


def found(made: Sweep) -> list[tuple[int, str]]:
    return kinds(backfill.find_backfill(made).trials)


def ended(made: Sweep, state: str, reason: str = "", **fields: Any) -> Trial:
    return factories.trial(made, state=state, reason=reason, **fields)


@pytest.fixture
def stopped() -> Sweep:
    """One trial of every fate, cancelled at last."""
    made = sweep(total=12, at_once=1)
    ended(made, "completed", value=0.5)  # 0
    ended(made, "failed", "exit_code", message="It ended with exit code 1.")  # 1
    ended(made, "failed", "lost", message="Its host died.")  # 2
    ended(made, "terminated", "policy", value=0.1)  # 3
    ended(made, "cancelled", "user")  # 4, alone
    ended(made, "cancelled", "trial_timeout", value=0.2)  # 5
    ended(made, "cancelled", "user")  # 6, with its sweep
    ended(made, "completed", value=0.6)  # 7
    ended(made, "cancelled", "sweep_timeout")  # 8
    ended(made, "cancelled", "target")  # 9
    ended(made, "failed", Origin.IMPORTED, origin=Origin.IMPORTED)  # 10, elsewhere
    alone = made.trials.get(number=4)
    Event.objects.create(
        team=made.experiment.team, sweep=made, trial=alone, verb="trial cancelled"
    )
    lifecycle.cancel_sweep(made)
    return made


def test_exactly_what_was_lost_failed_or_cancelled_with_the_sweep(
    stopped: Sweep,
) -> None:
    assert found(stopped) == [
        (1, "failed"),
        (2, "lost"),
        (6, "cancelled"),
        (8, "cancelled"),
    ]
    result = backfill.find_backfill(stopped)
    assert result.counts == {"failed": 1, "lost": 1, "cancelled": 2, "deleted": 0}
    assert result.trials[1].why == "Its host died."


def test_a_person_who_cancels_single_trials_leaves_nothing_to_backfill() -> None:
    made = sweep()
    ended(made, "cancelled", "user")
    assert found(made) == []


def test_they_run_once_more_and_asking_twice_is_asking_once(stopped: Sweep) -> None:
    filled = backfill.run_backfill(stopped, actor=factories.user("ada"))
    assert len(filled.trials) == 4
    assert backfill.run_backfill(stopped, actor=None).trials == ()
    assert stopped.requests.count() == 4
    assert (stopped.state, stopped.max_total_trials) == ("running", 15)
    run_to_the_end(stopped)
    assert [t.origin_text for t in stopped.trials.order_by("number")][11:] == [
        "retry of 1",
        "retry of 2",
        "re-run of 6",
        "re-run of 8",
    ]
    assert found(stopped) == [] and stopped.state == "completed"
    event = stopped.events.get(verb=backfill.BACKFILLED)
    assert event.actor == factories.user("ada")
    assert event.message == (
        "Backfill: 1 failed, 1 lost, 2 cancelled. Trials 1, 2, 6 and 8 will run again."
    )


def test_one_that_fails_again_is_still_one(stopped: Sweep) -> None:
    backfill.run_backfill(stopped, actor=None)
    rounds.advance_all()
    trial = stopped.trials.live().get()
    claim = factories.claim(trial)
    outcome = lifecycle.Outcome(cause="exited", exit_code=1, message="Again.")
    lifecycle.finish_attempt(claim.attempt, outcome)
    run_to_the_end(stopped)
    assert found(stopped) == [(1, "failed")]


def test_what_ran_before_does_not_make_good_what_failed_after() -> None:
    made = sweep(total=9)
    ended(made, "completed", value=0.5, params={"x": 0.5})
    ended(made, "failed", params={"x": 0.5})
    assert found(made) == [(1, "failed")]
    ended(made, "terminated", "policy", params={"x": 0.5})
    assert found(made) == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sampling_algorithm": {"type": "random", "seed": 5, "rule": "sobol"}},
        {"sampling_algorithm": {"type": "sobol", "seed": 5}},
        {
            "sampling_algorithm": "grid",
            "search_space": {"x": {"type": "choice", "values": [1, 2, 3, 4, 5, 6]}},
        },
    ],
)
def test_deleted_ones_are_computed_again_from_their_numbers(
    changes: dict[str, Any],
) -> None:
    made = sweep(total=5, at_once=1, **changes)
    rounds.advance_all()
    end(made.trials.live().get())
    requests.run_again(made, [0], actor=None)
    run_to_the_end(made)
    before = {t.number: t.params for t in made.trials.all()}
    assert len(before) == 6
    made.trials.filter(number__in=(1, 2, 4)).delete()
    gone = backfill.find_backfill(made)
    assert kinds(gone.trials) == [(1, "deleted"), (2, "deleted"), (4, "deleted")]
    assert {g.number: g.params for g in gone.trials} == {
        n: before[n] for n in (1, 2, 4)
    }
    backfill.run_backfill(made, actor=None)
    run_to_the_end(made)
    assert [t.origin_text for t in made.trials.order_by("number")][3:] == [
        "in place of 1",
        "in place of 2",
        "in place of 4",
    ]
    assert [t.source_number for t in made.trials.order_by("number")][3:] == [1, 2, 4]
    assert found(made) == [] and made.state == "completed"


def test_what_a_sampler_chose_by_results_cannot_be_computed_again() -> None:
    made = sweep(total=4, sampling_algorithm={"type": "tpe", "seed": 1})
    run_to_the_end(made)
    made.trials.filter(number=1).delete()
    result = backfill.find_backfill(made)
    assert result.trials == () and kinds(result.unknown) == [(1, "deleted")]
    assert "tpe chooses by the results of its time" in result.unknown[0].why


def test_what_somebody_asked_for_is_known_whatever_the_sampler() -> None:
    made = sweep(total=1, at_once=1, sampling_algorithm={"type": "tpe", "seed": 1})
    requests.add_trial(made, {"x": 0.125}, actor=None)
    run_to_the_end(made)
    made.trials.get(number=0).delete()
    (gap,) = backfill.find_backfill(made).trials
    assert gap.params == {"x": 0.125} and "had requested it" in gap.why


def test_imported_ones_shift_what_is_computed() -> None:
    plain = sweep(total=3, at_once=1)
    run_to_the_end(plain)
    made = sweep(total=5, at_once=1)
    for _ in range(2):
        ended(made, "completed", value=0.1, origin=Origin.IMPORTED)
    run_to_the_end(made)
    made.trials.filter(number__in=(0, 3)).delete()
    result = backfill.find_backfill(made)
    assert kinds(result.unknown) == [(0, "deleted")]
    assert [gap.params for gap in result.trials] == [plain.trials.get(number=1).params]


def test_a_draft_has_none_to_fill() -> None:
    made = sweep()
    ended(made, "failed")
    Sweep.objects.filter(pk=made.pk).update(state="draft")
    with pytest.raises(NotPossible, match="has not begun"):
        backfill.run_backfill(made, actor=None)


def test_the_number_of_queries_does_not_grow_with_the_trials(
    stopped: Sweep, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        ended(stopped, "failed")
    for trial in [ended(stopped, "completed") for _ in range(21)][:20]:
        trial.delete()
    with django_assert_max_num_queries(9):
        assert len(backfill.find_backfill(stopped).trials) == 44
