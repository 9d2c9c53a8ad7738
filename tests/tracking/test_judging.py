"""Live judging answers from the database what standings in memory would answer."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments import lifecycle
from experiments.models import Decision, RankBlock, Report, Sweep, Trial, ranks
from experiments.search.records import Objective
from experiments.search.standings import Standings
from experiments.search.termination import Policy, make_policy
from experiments.search.termination.evidence import Evidence, Finished, Rivals, Verdict
from experiments.tracking import completed_curves, ingest, judging
from experiments.tracking.ingest import Point
from tests import factories

pytestmark = pytest.mark.django_db
POLICIES: tuple[dict[str, Any], ...] = (
    {"type": "median_stopping", "delay_evaluation": 2},
    {"type": "bandit", "slack_factor": 0.2, "min_rivals": 3},
    {"type": "truncation_selection", "truncation_percentage": 40},
    {
        "type": "truncation_selection",
        "truncation_percentage": 30,
        "exclude_finished_jobs": True,
    },
)
Finish = Callable[[Trial], None]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small sweep has many."""
    monkeypatch.setattr(ranks, "MAX_ENTRIES", 6)
    monkeypatch.setattr(ranks, "PIECE", 3)


class Witness:
    """Stands for a policy: holds what it is shown against standings in memory, and
    answers as the policy would."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.standings = Standings()
        self.loss = math.inf
        self.asked = 0

    def due(self, report: int) -> bool:
        return True

    def settings(self) -> dict[str, Any]:
        return dict(self.policy.settings())

    def judge(self, stored: Evidence) -> Verdict:
        kept = self.standings.report(stored.number, stored.own.last)
        assert kept is not None
        assert stored.own == kept.own
        np.testing.assert_array_equal(stored.losses(), kept.losses())
        same_rivals(stored.rivals, kept.rivals)
        same_rivals(stored.rivals.only_running(), kept.rivals.only_running())
        same_finished(stored.finished, kept.finished)
        verdict = self.policy.judge(stored)
        assert verdict == self.policy.judge(kept)
        self.asked += 1
        return verdict


def same_rivals(stored: Rivals, kept: Rivals) -> None:
    assert len(stored) == len(kept)
    assert stored.leader() == kept.leader()
    assert stored.median_of_means() == kept.median_of_means()
    count = len(kept)
    places = {0, 1, count // 3, count // 2, count - 1} & set(range(count))
    ranking = [kept.ranked(place) for place in places]
    assert [stored.ranked(place) for place in places] == ranking
    for loss in {*(row.loss for row in ranking), 0.05, math.inf}:
        assert stored.better_than(loss) == kept.better_than(loss), loss


def same_finished(stored: Finished, kept: Finished) -> None:
    assert stored.numbers.tolist() == kept.numbers.tolist()
    assert stored.lengths.tolist() == kept.lengths.tolist()
    for one, other in zip(stored.curves(), kept.curves(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert stored.best_of_all() == kept.best_of_all()


def a_sweep(policy: dict[str, Any] | None, goal: str = "maximize") -> Sweep:
    document = factories.definition_document(
        early_termination=policy,
        objective={"primary_metric": "accuracy", "goal": goal},
        limits={"max_total_trials": 100, "max_concurrent_trials": 50},
    )
    return factories.sweep(factories.team(), document=document)


def draws(chance: random.Random) -> Iterator[float]:
    """Ties, both signs, and now and then what is no number."""
    while True:
        kind = chance.random()
        if kind < 0.1:
            yield chance.choice((math.nan, math.inf, -math.inf))
        elif kind < 0.4:
            yield chance.choice((0.0, 0.5, -0.5))
        else:
            yield chance.uniform(-1, 1)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("seed", range(4))
def test_a_random_sweep_is_judged_as_in_memory(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    goal = ("maximize", "minimize")[seed % 2]
    sweep = a_sweep(POLICIES[seed], goal)
    policy = make_policy(sweep.early_termination, sweep.objective)
    assert policy is not None
    witness = Witness(policy)
    monkeypatch.setattr(judging, "make_policy", lambda *_: witness)
    run_to_the_end(sweep, witness, chance)
    assert witness.asked > 60
    assert Decision.objects.filter(stop=True).exists()
    assert RankBlock.objects.filter(sweep=sweep, n=1).count() > 4
    blocks_are_right(sweep)


def run_to_the_end(sweep: Sweep, witness: Witness, chance: random.Random) -> None:
    """Twenty trials, some at a time, whose reports come in any order."""
    values, waiting = draws(chance), [factories.trial(sweep) for _ in range(20)]
    running: list[Trial] = []
    while waiting or running:
        if waiting and len(running) < 8:
            trial = waiting.pop(0)
            factories.claim(trial)
            witness.standings.start(trial.number)
            running.append(trial)
        trial = chance.choice(running)
        first = trial.reports
        steps = range(first, first + chance.choice((1, 2)))
        points = [Point("accuracy", step, next(values)) for step in steps]
        ingest.record(trial.current_attempt_id or 0, points)
        trial.refresh_from_db()
        for point in points[trial.decisions.count() - first :]:
            # No policy judged what came after the end, in one batch with it.
            loss = sweep.objective.loss(point.value)
            witness.standings.report(trial.number, loss)
        if trial.stop_reason or chance.random() < 0.12:
            end(trial)
            ran = trial.state == "completed"
            witness.standings.finish(trial.number, completed=ran)
            running.remove(trial)


def end(trial: Trial) -> None:
    attempt = trial.current_attempt
    assert attempt is not None
    cause = "stopped" if trial.stop_reason else "exited"
    outcome = lifecycle.Outcome(cause=cause, exit_code=0, elapsed=1.0)  # type: ignore[arg-type]
    lifecycle.finish_attempt(attempt, outcome)
    trial.refresh_from_db()


def blocks_are_right(sweep: Sweep) -> None:
    """Every block counts its reports, and the blocks leave no gap."""
    blocks = RankBlock.objects.filter(sweep=sweep).order_by("n", "measure", "low")
    ends: dict[tuple[int, int], float] = {}
    for block in blocks:
        row = ranks.Block(*(getattr(block, name) for name in ranks.Block._fields))
        assert block.count == ranks.within(row).count()
        assert block.low == ends.get((block.n, block.measure), -math.inf)
        ends[block.n, block.measure] = block.high
    assert set(ends.values()) <= {math.inf}


@pytest.mark.usefixtures("small_blocks")
class TestBlocks:
    def test_they_stay_right_when_attempts_are_lost(self) -> None:
        sweep = a_sweep(None)
        chance = random.Random(3)
        values = draws(chance)
        for _ in range(25):
            trial = factories.trial(sweep)
            factories.claim(trial)
            factories.report(trial, [next(values) for _ in range(3)])
            if chance.random() < 0.4:
                factories.lose(trial.current_attempt)
            blocks_are_right(sweep)
        assert Report.objects.filter(sweep=sweep, n=3).count() < 25

    def test_equal_losses_share_a_block_however_many(self) -> None:
        sweep = a_sweep({"type": "median_stopping"})
        for _ in range(14):
            factories.reported_trial(sweep, [0.5], state="completed")
        factories.reported_trial(sweep, [0.4, 0.7])
        factories.reported_trial(sweep, [0.6])
        blocks_are_right(sweep)
        verdict = Decision.objects.filter(trial__number=15).get()
        assert (verdict.threshold, verdict.rivals) == (0.5, 15)

    def test_reports_from_before_there_were_blocks_are_rivals(self) -> None:
        sweep = a_sweep({"type": "median_stopping"})
        for value in range(1, 12):
            factories.reported_trial(sweep, [value / 10], state="completed")
        RankBlock.objects.all().delete()
        trial = factories.reported_trial(sweep, [0.55])
        verdict = trial.decisions.get()
        assert verdict.rivals == 11
        assert verdict.threshold == pytest.approx(0.6)
        assert verdict.stop
        mean = RankBlock.objects.filter(measure=RankBlock.Measure.MEAN)
        assert mean.count() > 2
        blocks_are_right(sweep)

    def test_looking_at_them_takes_no_lock(self, settings: Any) -> None:
        # The text of a statement whose plan is kept is not told.
        settings.KEEP_PLANS = False
        sweep = a_sweep(None)
        for _ in range(3):
            trial = factories.reported_trial(sweep, [0.5, 0.6])
        RankBlock.objects.all().delete()
        report = Report.objects.get(trial=trial, n=2)
        with CaptureQueriesContext(connection) as queries:
            assert [block.count for block in ranks.blocks_of(report)] == [2, 2]
        assert len(queries) and all(q["sql"].startswith("SELECT") for q in queries)
        assert not any("FOR UPDATE" in query["sql"] for query in queries)
        # A trial that starts over opens blocks without counting what was there before.
        factories.lose(trial.current_attempt)
        report = Report.objects.filter(n=2).latest("pk")
        assert [block.count for block in ranks.blocks_of(report)] == [1, 1]

    def test_a_long_batch_is_counted(self) -> None:
        sweep = a_sweep(None)
        for _ in range(2):
            factories.reported_trial(sweep, [0.5] * 130)
        blocks = RankBlock.objects.filter(sweep=sweep)
        assert set(blocks.values_list("count", flat=True)) == {2}
        assert blocks.count() == 260


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy["type"])
def test_a_report_takes_the_same_few_queries_in_a_large_sweep(
    policy: dict[str, Any],
) -> None:
    sweep = a_sweep({**policy, "delay_evaluation": 2, "min_rivals": 1})
    counts = []
    for rivals in (3, 24):
        for number in range(rivals):
            values = [0.5 - number / 100, 0.6 - number / 100]
            factories.reported_trial(sweep, values, state="completed")
        trial = factories.reported_trial(sweep, [0.9])
        with CaptureQueriesContext(connection) as queries:
            factories.report(trial, [0.9], first_step=1)
        assert trial.decisions.count() == 1
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 18


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite lets one writer in at a time"
)
def test_reports_that_come_at_the_same_time_are_all_counted() -> None:
    sweep = a_sweep({"type": "median_stopping", "min_rivals": 50})
    trials = [factories.trial(sweep) for _ in range(6)]
    attempts = [factories.claim(trial).attempt.pk for trial in trials]
    errors: list[Exception] = []

    def report(attempt: int) -> None:
        try:
            for step in range(0, 16, 2):
                values = (attempt * 7 % 5 / 5, step % 3 / 3)
                points = [
                    Point("accuracy", step + i, value) for i, value in enumerate(values)
                ]
                ingest.record(attempt, points)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=report, args=(pk,)) for pk in attempts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Report.objects.filter(sweep=sweep, n=16).count() == 6
    blocks_are_right(sweep)


class TestCurves:
    def test_a_completed_curve_is_read_once(self) -> None:
        sweep = a_sweep({"type": "median_stopping"})
        factories.reported_trial(sweep, [0.5, math.nan, 0.7], state="completed")
        trial = factories.reported_trial(sweep, [0.6])
        objective = Objective("accuracy", "maximize")
        (first,) = completed_curves.StoredFinished(trial, objective).curves()
        assert first.tolist() == [-0.5, math.inf, -0.7]
        with CaptureQueriesContext(connection) as queries:
            (second,) = completed_curves.StoredFinished(trial, objective).curves()
        assert second is first
        assert len(queries) == 1

    def test_what_is_derived_is_kept_until_another_trial_completes(self) -> None:
        sweep = a_sweep(None)
        factories.reported_trial(sweep, [0.5], state="completed")
        trial = factories.reported_trial(sweep, [0.6])
        made: list[int] = []

        def count(found: Finished) -> int:
            made.append(len(found.numbers))
            return len(found.numbers)

        for _ in range(2):
            answer = completed_curves.StoredFinished(trial, sweep.objective).derived(
                count
            )
            assert answer == 1
        factories.reported_trial(sweep, [0.7], state="completed")
        assert (
            completed_curves.StoredFinished(trial, sweep.objective).derived(count) == 2
        )
        assert made == [1, 2]


def test_facts_that_json_does_not_have_are_left_out() -> None:
    facts = {"chance": 0.25, "gain": math.inf, "level": math.nan}
    verdict = Verdict(False, 1, None, None, 0, (), "Kept.", facts)
    assert judging.stored_facts(verdict) == {"chance": 0.25}
