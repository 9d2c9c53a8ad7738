"""Live judging answers what standings would that have seen every report."""

from __future__ import annotations

import math
import random
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments import lifecycle
from experiments.models import Decision, ReportVersion, Sweep, Trial
from experiments.search.records import Objective
from experiments.search.standings import Standings
from experiments.search.termination import Policy, make_policy
from experiments.search.termination.evidence import Evidence, Finished, Rivals, Verdict
from experiments.sweeps import editing
from experiments.sweeps.editing import change_sweep
from experiments.sweeps.primary_metric import use_metric
from experiments.tracking import completed_curves, group, held, ingest, judging, memory
from experiments.tracking.ingest import Point
from experiments.tracking.memory import Memories
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
    {"type": "predictive_halving", "min_resource": 2, "reduction_factor": 2},
    {"type": "wandb_hyperband", "min_iter": 2, "eta": 1.5, "strict": True},
)
Finish = Callable[[Trial], None]


class Processes:
    """Processes of the site, of which another one gets each report. Now and then one of
    them begins anew."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
        self.monkeypatch, self.chance = monkeypatch, chance
        self.memories = [Memories() for _ in range(3)]

    def next(self) -> None:
        chosen = self.chance.choice(self.memories)
        if self.chance.random() < 0.1:
            chosen.clear()
        for module in (group, judging):
            self.monkeypatch.setattr(module, "MEMORIES", chosen)


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
    monkeypatch.setattr(held, "_policy", lambda *_: witness)
    run_to_the_end(sweep, witness, chance, Processes(monkeypatch, chance))
    assert witness.asked > 40
    assert Decision.objects.filter(stop=True).exists()


def run_to_the_end(
    sweep: Sweep, witness: Witness, chance: random.Random, processes: Processes
) -> None:
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
        processes.next()
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


class TestMemory:
    """What a process knows of a sweep never differs from what is stored."""

    def sweep(self, **settings: Any) -> Sweep:
        return a_sweep({"type": "median_stopping", **settings})

    def test_a_trial_that_starts_over_is_no_rival(self) -> None:
        sweep = self.sweep()
        ghost = factories.reported_trial(sweep, [0.9, 0.9])
        assert factories.reported_trial(sweep, [0.8]).decisions.get().rivals == 1
        factories.lose(ghost.current_attempt)
        assert factories.reported_trial(sweep, [0.8]).decisions.get().rivals == 1
        ghost.refresh_from_db()
        factories.claim(ghost)
        factories.report(ghost, [0.1])
        assert factories.reported_trial(sweep, [0.8]).decisions.get().rivals == 3
        assert ghost.decisions.get(attempt__n=2).rivals == 2

    def test_reports_from_while_there_was_no_policy_are_rivals(self) -> None:
        sweep = self.sweep()
        factories.reported_trial(sweep, [0.5])
        for policy in (None, {"type": "median_stopping"}):
            change_sweep(sweep, {"early_termination": policy}, actor=None)
            trial = factories.reported_trial(sweep, [0.6])
        assert trial.decisions.get().rivals == 2

    def test_another_primary_metric_has_other_reports(self) -> None:
        sweep = self.sweep()
        trials = [factories.trial(sweep) for _ in range(3)]
        for trial in trials:
            factories.claim(trial)
            factories.report(trial, [1.0, 2.0], name="other")
        use_metric(sweep, "other", actor=None)
        factories.report(trials[0], [3.0], name="other", first_step=2)
        decision = trials[0].decisions.get()
        assert (decision.n, decision.rivals) == (3, 0)
        factories.report(trials[1], [0.5], name="other", first_step=2)
        assert trials[1].decisions.get().rivals == 1

    def test_what_was_rolled_back_is_forgotten(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sweep = self.sweep()
        factories.reported_trial(sweep, [0.5])
        trial = factories.reported_trial(sweep, [0.6])
        with monkeypatch.context() as broken:
            broken.setattr(group, "failpoint", fail)
            with pytest.raises(ZeroDivisionError):
                factories.report(trial, [0.7, 0.8], first_step=1)
        factories.report(trial, [0.7], first_step=1)
        assert factories.reported_trial(sweep, [0.4, 0.4]).decisions.count() == 1
        assert trial.decisions.count() == 2

    def test_a_memory_that_differs_is_read_anew(self) -> None:
        sweep = self.sweep()
        trial = factories.reported_trial(sweep, [0.5])
        known = held_memory(sweep)
        known.report(trial.number, trial.current_attempt_id or 0, -0.9)
        factories.report(trial, [0.6], first_step=1)
        assert held_memory(sweep) is not known
        assert trial.decisions.count() == 2

    def test_a_trial_without_some_of_its_points_can_report(self) -> None:
        sweep = self.sweep()
        trial = factories.reported_trial(sweep, [0.5])
        Trial.objects.filter(pk=trial.pk).update(reports=2)
        memory.MEMORIES.clear()
        memory.MEMORIES.load(memory.JudgedSweep(sweep.pk, "accuracy", "maximize"))
        batch = ingest.ReportBatch(
            trial.current_attempt_id or 0, [ingest.Sent("accuracy", 1, 0.6)]
        )
        assert not group.write_alone(batch).stop
        assert len(factories.points(trial.current_attempt)) == 2

    def test_many_trials_are_read_some_at_a_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A statement has a limit of values."""
        monkeypatch.setattr(memory, "BLOCK", 2)
        sweep = self.sweep()
        for reports in range(1, 6):
            factories.reported_trial(sweep, [0.5] * reports)
        memory.MEMORIES.clear()
        with CaptureQueriesContext(connection) as queries:
            trial = factories.reported_trial(sweep, [0.6])
        found = [
            re.findall(r'"id" IN \(([^()]+)\)', query["sql"] or "") for query in queries
        ]
        assert max(one.count(",") for some in found for one in some) == 1
        assert trial.decisions.get().rivals == 5
        curves = sorted(held_memory(sweep).curves.items())
        assert [len(curve.losses) for _, curve in curves] == [1, 2, 3, 4, 5, 1]

    def test_memories_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory, "MAX_NUMBERS", 10)
        sweep, other = self.sweep(), self.sweep()
        for each in (sweep, other, sweep, other):
            factories.reported_trial(each, [0.5] * 6)
        assert held_memory(other)
        with pytest.raises(KeyError):
            held_memory(sweep)

    def test_orders_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory, "MAX_RANKED", 4)
        sweep = self.sweep()
        for _ in range(3):
            factories.reported_trial(sweep, [0.5] * 6)
        known = held_memory(sweep)
        assert len(known._asked) < 4
        kept = [rung for rung in known._rungs if rung._orders or rung._leaders]
        assert 1 <= len(kept) < 4
        assert Decision.objects.filter(n=6, rivals=2).exists()

    def test_orders_of_one_long_trial_are_bounded(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory, "MAX_RANKED", 10 * memory.RUNG_SIZE)
        sweep = self.sweep()
        factories.reported_trial(sweep, [0.5] * 40)
        assert len(held_memory(sweep)._asked) <= 10

    def test_a_sweep_without_a_policy_has_no_version(self) -> None:
        factories.reported_trial(a_sweep(None), [0.5])
        assert not ReportVersion.objects.exists()


def fail(place: str) -> None:
    raise ZeroDivisionError(place)


def held_memory(sweep: Sweep) -> memory.SweepMemory:
    return memory.MEMORIES._kept[sweep.pk]


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


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite lets one writer in at a time"
)
def test_reports_that_come_at_the_same_time_are_all_counted() -> None:
    sweep = a_sweep({"type": "median_stopping", "min_rivals": 50})
    memory.MEMORIES.clear()
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
    counts = Trial.objects.filter(sweep=sweep).values_list("reports", flat=True)
    assert list(counts) == [16] * 6
    judged = Decision.objects.filter(trial__sweep=sweep, n=16)
    assert sorted(judged.values_list("rivals", flat=True)) == [*range(6)]


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


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite lets one writer in at a time"
)
def test_a_report_does_not_wait_for_a_person_who_edits_the_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each would wait for the other where a report makes the sweep's version."""
    sweep = a_sweep({"type": "median_stopping"})
    trial = factories.trial(sweep)
    attempt = factories.claim(trial).attempt.pk
    locked, reported = threading.Event(), threading.Event()

    def checked(*_: object) -> dict[str, Any]:
        locked.set()
        assert reported.wait(20)
        return {}

    def edit() -> None:
        change_sweep(sweep, {"notes": "x"}, actor=None)
        connection.close()

    monkeypatch.setattr(editing, "_checked", checked)
    editor = threading.Thread(target=edit)
    editor.start()
    assert locked.wait(20)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '5s'")
    try:
        ingest.record(attempt, [Point("accuracy", 0, 0.5)])
    finally:
        reported.set()
        editor.join()
    assert ReportVersion.objects.filter(sweep=sweep).exists()
