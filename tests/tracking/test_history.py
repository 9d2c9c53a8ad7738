"""The cached history of trials always equals a fresh one."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments import lifecycle
from experiments.models import Sweep, Trial
from experiments.search.history import PENDING, TERMINATED, History
from experiments.tracking import history
from experiments.tracking.history import TrialHistory, search_of
from tests import factories

pytestmark = pytest.mark.django_db

COLUMNS = (*("numbers", "points", "active", "states", "losses", "reports", "expected"),)
STATES = ("queued", "running", "completed", "terminated", "cancelled", "failed")
# All trials of a test change within less than what one look overlaps with the next.
LONG_AGO = timedelta(hours=1)


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    history.forget_all()


def sweep(**changes: Any) -> Sweep:
    return factories.sweep(
        factories.team(), document=factories.definition_document(**changes)
    )


def fresh(made: Sweep) -> History:
    search = TrialHistory(made)
    search.refresh()
    return search.history


def same(one: History, other: History) -> bool:
    """Whether both hold the same trials, to the bit."""
    columns = (
        np.array_equal(
            getattr(one, name), getattr(other, name), equal_nan=name == "expected"
        )
        for name in COLUMNS
    )
    return one.outside == other.outside and all(columns)


def look(search: TrialHistory) -> History:
    search.refresh()
    return search.history


# --- what may happen to the trials of a sweep ---------------------------------------

Step = Callable[[Sweep, int], None]


def begin(made: Sweep, number: int) -> None:
    factories.trial(made, params={"x": number % 10 / 10})


def begin_outside(made: Sweep, number: int) -> None:
    factories.trial(made, params={"x": 7.0})


def picked(made: Sweep, number: int) -> Trial | None:
    trials = list(made.trials.order_by("number"))
    return trials[number % len(trials)] if trials else None


def edit(made: Sweep, number: int, **fields: Any) -> None:
    trial = picked(made, number)
    if trial is not None:
        Trial.objects.filter(pk=trial.pk).update(**{"updated_at": Now(), **fields})


def move(made: Sweep, number: int) -> None:
    """To any state; from a final one none leads away."""
    trial = picked(made, number)
    if trial is not None:
        state = trial.state if trial.has_ended else STATES[number % 6]
        edit(made, number, state=state, value=number / 100, reports=number)


def lose_value(made: Sweep, number: int) -> None:
    edit(made, number, value=None, reports=0)


def other_params(made: Sweep, number: int) -> None:
    edit(made, number, params={"x": number % 7 / 7})


def within_one_tick(made: Sweep, number: int) -> None:
    """Two changes with the same time, which a look may fall between."""
    # An ended trial's row does not change at a time long before the last look.
    recent = made.trials.filter(updated_at__gt=timezone.now() - LONG_AGO / 2)
    last = recent.order_by("-updated_at").first()
    if last is not None:
        edit(made, number, value=number / 1000, updated_at=last.updated_at)


def with_a_slow_clock(made: Sweep, number: int) -> None:
    """A live trial's change that bears a time long before the last look."""
    trial = made.trials.live().order_by("number").first()
    if trial is not None:
        Trial.objects.filter(pk=trial.pk).update(
            state="completed",
            value=number / 50,
            updated_at=timezone.now() - LONG_AGO,
        )


def begin_with_a_slow_clock(made: Sweep, number: int) -> None:
    trial = factories.trial(made, params={"x": number % 10 / 10})
    Trial.objects.filter(pk=trial.pk).update(updated_at=timezone.now() - LONG_AGO)


def remove(made: Sweep, number: int) -> None:
    trial = picked(made, number)
    if trial is not None:
        trial.delete()


STEPS: tuple[Step, ...] = (
    begin,
    begin_outside,
    begin_with_a_slow_clock,
    move,
    lose_value,
    other_params,
    within_one_tick,
    with_a_slow_clock,
    remove,
)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(STEPS), st.integers(0, 99), st.integers(0, 2)),
        max_size=25,
    )
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_every_process_sees_what_a_fresh_look_would_find(
    steps: list[tuple[Step, int, int]],
) -> None:
    made = sweep()
    processes = [TrialHistory(made) for _ in range(2)]
    for step, number, looks in steps:
        step(made, number)
        # 2: nobody looks for now, so that several changes come together.
        if looks < len(processes):
            assert same(look(processes[looks]), fresh(made))
    for process in processes:
        assert same(look(process), fresh(made))


# --- single cases --------------------------------------------------------------------


def test_a_trial_is_followed_from_its_beginning_to_its_end() -> None:
    made = sweep()
    trial = factories.trial(made, params={"x": 0.5})
    claim = factories.claim(trial)
    with search_of(made) as search:
        assert search.history.states.tolist() == [PENDING]
    factories.report(trial, [0.25, 0.75])
    with search_of(made) as search:
        assert search.history.losses.tolist() == [-0.75]
        assert search.history.reports.tolist() == [2]
    lifecycle.request_stop(trial, reason=lifecycle.POLICY, message="Enough.")
    lifecycle.finish_attempt(claim.attempt, lifecycle.Outcome(cause="stopped"))
    with search_of(made) as search:
        assert search.history.states.tolist() == [TERMINATED]


def test_a_row_that_changed_long_ago_is_not_read_again(
    django_assert_num_queries: Callable[[int], CaptureQueriesContext],
) -> None:
    made = sweep()
    for number in range(20):
        params = {"x": number / 20}
        factories.trial(made, state="completed", value=0.5, params=params)
    made.trials.filter(number__lt=19).update(updated_at=timezone.now() - LONG_AGO)
    with search_of(made):
        pass
    with django_assert_num_queries(2) as queries, search_of(made) as search:
        assert len(search.history) == 20
    assert "UNION" in queries.captured_queries[0]["sql"]
    assert [number for _, number, *_ in search._changed()] == [19]


def test_a_cached_history_is_for_one_sweep_with_one_objective_and_space() -> None:
    made = sweep()
    factories.trial(made, state="completed", value=0.5, params={"x": 0.5})
    with search_of(made) as first:
        assert first.history.losses.tolist() == [-0.5]
    Sweep.objects.filter(pk=made.pk).update(goal="minimize")
    with search_of(Sweep.objects.get(pk=made.pk)) as second:
        assert second.history.losses.tolist() == [0.5]
    assert first is not second


def test_the_sampler_knows_the_budget_as_it_is_now() -> None:
    made = sweep()
    with search_of(made) as search:
        assert search.sampler.budget == 4
        assert search.sampler is search.sampler
    Sweep.objects.filter(pk=made.pk).update(max_total_trials=9)
    with search_of(Sweep.objects.get(pk=made.pk)) as search:
        assert search.sampler.budget == 9


def test_what_was_computed_is_forgotten_when_a_trial_ends() -> None:
    made = sweep()
    trial = factories.trial(made)
    factories.claim(trial)
    with search_of(made) as search:
        search.kept["words"] = "Searching."
    factories.report(trial, [0.5])
    factories.trial(made)
    with search_of(made) as search:
        assert search.kept == {"words": "Searching."}
    Trial.objects.filter(pk=trial.pk).update(state="completed", updated_at=Now())
    with search_of(made) as search:
        assert search.kept == {}


def test_one_process_keeps_the_searches_used_last() -> None:
    made = [sweep() for _ in range(history.MAX_KEPT + 1)]
    with search_of(made[0]) as first, search_of(made[1]) as second:
        pass
    for each in made[2:]:
        with search_of(each):
            pass
    with search_of(made[1]) as again:
        assert again is second
    with search_of(made[0]) as anew:
        assert anew is not first


def test_what_is_expected_of_trials_cut_short_follows_from_the_rows() -> None:
    made = sweep(
        sampling_algorithm={"type": "bayesian", "seed": 1},
        objective={"primary_metric": "accuracy", "goal": "minimize"},
    )
    search = TrialHistory(made)
    for final in (0.1, 0.2, 0.4):
        curve = [final + 1 / n for n in range(1, 11)]
        factories.reported_trial(made, curve, state="completed")
    cut = factories.reported_trial(made, [1.3, 0.8, 0.65, 0.55])
    factories.reported_trial(made, [1.2])
    history = look(search)
    assert np.isnan(history.expected[:3]).all()
    assert 0.3 < history.expected[3] < 0.55 and history.spread[3] > 0
    assert history.expected[4] < 1.2
    lifecycle.request_stop(cut, reason="policy", message="Ended.")
    attempt = cut.current_attempt
    assert attempt is not None
    lifecycle.finish_attempt(attempt, lifecycle.Outcome(cause="stopped"))
    factories.reported_trial(made, [0.9, 0.7, 0.6], state="completed")
    again = look(search)
    assert again.states[3] == TERMINATED
    assert same(again, fresh(made))


def test_standings_are_read_in_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "BATCH", 3)
    made = sweep()
    curves = [[0.9, 0.8, 0.7], [0.6], [0.5, 0.4], [0.3, 0.2], [0.1, 0.05, 0.01]]
    trials = [factories.reported_trial(made, curve) for curve in curves]
    wanted = dict(zip((trial.pk for trial in trials), (3, 1, 1, 2, 2), strict=True))
    with CaptureQueriesContext(connection) as queries:
        found = history._best_losses(wanted, made.objective)
    expected = [-0.9, -0.6, -0.5, -0.3, -0.1]
    assert [found[trial.pk] for trial in trials] == pytest.approx(expected)
    assert len(queries) == 2
    assert history._best_losses({}, made.objective) == {}
    assert history._best_losses({trials[1].pk: 2}, made.objective) == {}


def test_a_trial_that_starts_over_is_expected_to_end_as_before() -> None:
    made = sweep(sampling_algorithm={"type": "bayesian", "seed": 1})
    for final in (0.1, 0.2, 0.3):
        curve = [final + 1 / n for n in range(1, 9)]
        factories.reported_trial(made, curve, state="completed")
    search = TrialHistory(made)
    trial = factories.reported_trial(made, [1.3, 0.8, 0.65])
    expected = look(search).expected.tolist()
    attempt = trial.attempts.latest("pk")
    lifecycle.lose_attempt(attempt, reason="silent", message="It is silent.")
    assert math.isnan(look(search).expected[3])
    trial.refresh_from_db()
    factories.claim(trial)
    factories.report(trial, [1.3, 0.8, 0.65])
    assert look(search).expected.tolist()[3] == expected[3]
    assert same(look(search), fresh(made))


def test_the_sampler_explores_while_the_policy_does() -> None:
    halving = {"type": "predictive_halving"}
    threshold = {"type": "threshold", "upper": 1.0}
    both = {"type": "any_of", "policies": [halving, threshold]}
    made = sweep(sampling_algorithm="bayesian", early_termination=halving)
    found = []
    for policy in (halving, threshold, both, None):
        Sweep.objects.filter(pk=made.pk).update(early_termination=policy)
        made.refresh_from_db()
        with search_of(made) as search:
            found.append(search.sampler.explores)
    assert found == [True, False, True, False]
