"""Points come in: once each, numbered, fenced, judged in the same request."""

from __future__ import annotations

import json
import math
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments import lifecycle
from experiments.db.clock import database_now
from experiments.models import Attempt, Decision, Metric, Sweep, Trial
from experiments.models.missing import MissingData, RefusedPoint, sentences
from experiments.tracking import group, held, ingest, resuming
from experiments.tracking.ingest import Point, ReportBatch, Sent
from tests import factories

pytestmark = pytest.mark.django_db
write = group.ReportGroup.write


@pytest.fixture
def sweep() -> Sweep:
    return factories.sweep(factories.team())


@pytest.fixture
def trial(sweep: Sweep) -> Trial:
    trial = factories.trial(sweep)
    factories.claim(trial)
    return trial


def send(trial: Trial, *points: Point, key: str = "") -> ingest.Reply:
    return ingest.record(trial.current_attempt_id or 0, points, batch=key)


def judge(attempt: Attempt, n: int) -> None:
    """A verdict whose value tells who was judged. PostgreSQL's clock stands still in a
    transaction such as a test's."""
    Decision.objects.create(
        trial=attempt.trial,
        attempt=attempt,
        policy="bandit",
        n=n,
        value=attempt.n,
        rivals=1,
        stop=False,
        created_at=database_now() - timedelta(hours=2 - attempt.n),
    )


class TestResuming:
    def resumed(self, trial: Trial) -> None:
        """The trial's worker dies, and the next attempt finds its outputs."""
        factories.report(trial, [0.1, 0.5, 0.4, 0.6, 0.7])
        factories.report(trial, [9.0, 8.0, 7.0], name="loss")
        factories.lose(trial.current_attempt)
        trial.refresh_from_db()
        assert trial.reports == 0
        factories.claim(trial)
        trial.attempts.filter(n=2).update(resumed_from=1)

    def test_reports_go_on_where_the_script_does(self, trial: Trial) -> None:
        self.resumed(trial)
        factories.report(trial, [0.65, 0.8], first_step=3)
        assert trial.reports == 5 and trial.value == 0.8 and trial.value_report == 5
        values = [value for _, value in factories.points(trial.current_attempt)]
        assert values == [0.1, 0.5, 0.4, 0.65, 0.8]
        assert factories.points(trial.current_attempt) == [
            *enumerate([0.1, 0.5, 0.4, 0.65, 0.8])
        ]
        assert len(factories.points(trial.current_attempt, "loss")) == 3

    def test_what_is_not_taken_over_is_said(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Never a point of the primary metric, which verdicts count."""
        monkeypatch.setattr(resuming, "MAX_CARRIED", 2)
        factories.report(trial, [9.0, 8.0, 7.0, 6.0], name="loss")
        factories.report(trial, [0.1, 0.5, 0.4, 0.6])
        factories.lose(trial.current_attempt)
        trial.refresh_from_db()
        attempt = factories.claim(trial).attempt
        trial.attempts.filter(n=2).update(resumed_from=1)
        (refused,) = send(trial, Point("accuracy", 4, 0.7)).refused
        assert (refused.name, refused.points) == ("loss", 2)
        assert "takes over all points of the primary metric" in refused.reason
        assert len(factories.points(attempt)) == 5
        assert factories.points(attempt, "loss") == [(0, 9.0), (1, 8.0)]
        attempt.refresh_from_db()
        (words,) = sentences(MissingData.of(attempt.missing).names())
        assert words.startswith("2 points of “loss” were refused")

    def test_verdicts_on_what_is_taken_over_go_with_it(self, trial: Trial) -> None:
        self.resumed(trial)
        first, second = trial.attempts.order_by("n")
        for n in (2, 3, 5):
            judge(first, n)
        factories.report(trial, [0.65], first_step=3)
        assert list(first.decisions.values_list("n", flat=True)) == [5]
        assert list(second.decisions.values_list("n", flat=True)) == [2, 3]

    def test_they_go_to_whoever_resumes_the_same_attempt_next(self) -> None:
        document = factories.definition_document(retries={"max_attempts": 3})
        trial = factories.trial(factories.sweep(factories.team(), document=document))
        factories.claim(trial)
        self.resumed(trial)
        first, second = trial.attempts.order_by("n")
        for n in (2, 3, 5):
            judge(first, n)
        factories.report(trial, [0.65, 0.7], first_step=3)
        # On reports of its own that the next attempt does not go on from.
        judge(second, 4)
        judge(second, 5)
        factories.lose(second)
        trial.refresh_from_db()
        third = factories.claim(trial).attempt
        trial.attempts.filter(n=3).update(resumed_from=1)
        factories.report(trial, [0.9], first_step=5)
        kept = trial.decisions.order_by("n", "attempt__n")
        assert list(kept.values_list("n", "attempt__n", "value")) == [
            *((2, 3, 1), (3, 3, 1), (4, 2, 2), (5, 2, 2), (5, 3, 1))
        ]
        assert third.n == 3 and trial.reports == 6

    def test_they_are_taken_over_once(self, trial: Trial) -> None:
        self.resumed(trial)
        for _ in range(2):
            factories.report(trial, [0.65], first_step=3)
        assert trial.reports == 4

    def test_a_script_that_starts_over_starts_over(self, trial: Trial) -> None:
        self.resumed(trial)
        factories.report(trial, [0.2, 0.3])
        assert trial.reports == 2 and trial.value == 0.3

    def test_without_outputs_nothing_is_taken_over(self, trial: Trial) -> None:
        self.resumed(trial)
        trial.attempts.filter(n=2).update(resumed_from=None)
        factories.report(trial, [0.65], first_step=3)
        assert trial.reports == 1

    def test_a_line_that_is_collected_before_the_script_reports(self) -> None:
        """The curve is whole, and what the script itself reports counts."""
        document = factories.definition_document(retries={"max_attempts": 3})
        trial = factories.trial(factories.sweep(factories.team(), document=document))
        factories.claim(trial)
        for first in (3, 0):
            factories.report(trial, [0.1, 0.2, 0.3, 0.4])
            factories.report(trial, [4.0, 3.0, 2.0, 1.0], name="loss")
            factories.lose(trial.current_attempt)
            trial.refresh_from_db()
            attempt = factories.claim(trial).attempt
            trial.attempts.filter(pk=attempt.pk).update(resumed_from=attempt.n - 1)
            for name in ("loss", "accuracy"):
                line = Point(name, first, 0.5)
                ingest.record(attempt.pk, [line], collected=True)
            factories.report(trial, [0.3, 0.4], first_step=2)
            factories.report(trial, [2.0], name="loss", first_step=2)
            curve = [*enumerate([0.1, 0.2, 0.3, 0.4])]
            assert factories.points(attempt) == curve
            assert trial.reports == 4
            assert factories.points(attempt, "loss")[:3] == [(0, 4), (1, 3), (2, 2)]

    def test_what_was_collected_stays_collected(self, trial: Trial) -> None:
        def collect(first: int) -> list[ingest.Reply]:
            return [
                ingest.record(trial.current_attempt_id or 0, [point], collected=True)
                for step in range(first, 5)
                for point in (Point("accuracy", step, 0.5), Point("loss", step, 2.0))
            ]

        collect(0)
        factories.lose(trial.current_attempt)
        trial.refresh_from_db()
        factories.claim(trial)
        trial.attempts.filter(n=2).update(resumed_from=1)
        assert not any(reply.reported for reply in collect(2))
        assert len(factories.points(trial.current_attempt, "loss")) == 5

    def test_they_are_ranked_like_any_others(self, sweep: Sweep, trial: Trial) -> None:
        self.resumed(trial)
        factories.report(trial, [0.65], first_step=3)
        other = factories.reported_trial(sweep, [0.2, 0.3])
        decision = Decision.objects.filter(trial=other, n=2).first()
        assert decision is None or decision.rivals == 1


class TestPoints:
    def test_the_same_batch_again_changes_nothing(self, trial: Trial) -> None:
        batch = [Point("accuracy", step, 0.1 * step) for step in range(5)]
        for _ in range(3):
            send(trial, *batch)
        assert factories.point_count() == 5
        trial.refresh_from_db()
        assert trial.reports == 5

    def test_a_known_key_makes_no_metric(self, trial: Trial) -> None:
        for name in ("loss", "other"):
            send(trial, Point(name, 0, 0.5), key="a key")
        assert [*Metric.objects.values_list("name", flat=True)] == ["loss"]

    def test_two_values_of_a_step_in_one_batch_are_two_reports(
        self, trial: Trial
    ) -> None:
        for _ in range(2):
            send(trial, Point("accuracy", 1, 0.5), Point("accuracy", 1, 0.9))
        assert factories.points(trial.current_attempt) == [(1, 0.5), (1, 0.9)]
        trial.refresh_from_db()
        assert (trial.reports, trial.value) == (2, 0.9)

    def test_a_point_that_is_dropped_is_said(self, trial: Trial) -> None:
        """Without time and key nothing tells it from one that was sent before."""
        send(trial, Point("accuracy", 1, 0.5))
        assert not send(trial, Point("accuracy", 1, 0.5)).refused
        (refused,) = send(trial, Point("accuracy", 1, 0.7)).refused
        assert (refused.name, refused.points) == ("accuracy", 1)
        assert "its step has other values" in refused.reason
        assert factories.points(trial.current_attempt) == [(1, 0.5)]
        missing = MissingData.of(Attempt.objects.get().missing)
        assert [each.name for each in missing.refused] == ["accuracy"]

    def test_with_a_key_points_of_another_batch_are_further_ones(
        self, trial: Trial
    ) -> None:
        for key in ("a", "b", "a", "b", "c"):
            send(trial, Point("accuracy", 0, 0.5), key=key)
        assert factories.points(trial.current_attempt) == [(0, 0.5)] * 3

    def test_the_last_keys_are_remembered(self, trial: Trial) -> None:
        for number in range(held.MAX_KEYS + 20):
            send(trial, Point("accuracy", 0, 0.5), key=f"batch {number}")
        assert len(Attempt.objects.get().batches) == held.MAX_KEYS * held.KEY_SIZE
        send(trial, Point("accuracy", 0, 0.5), key=f"batch {number}")
        assert factories.point_count() == held.MAX_KEYS + 20

    def test_a_key_is_not_needed_where_points_have_times(self, trial: Trial) -> None:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        for key in ("a", "b"):
            send(trial, Point("accuracy", 0, 0.5, now), key=key)
        assert factories.point_count() == 1
        assert not Attempt.objects.get().batches

    def test_other_values_at_the_same_moment_are_further_points(
        self, trial: Trial
    ) -> None:
        """Clocks of programs tell milliseconds at best."""
        now = datetime(2026, 1, 1, tzinfo=UTC)
        batch = [Point("accuracy", 0, value, now) for value in (0.1, 0.2, math.nan)]
        for _ in range(2):
            send(trial, *batch)
        assert factories.point_count() == 3

    def test_another_time_at_the_same_step_is_a_further_report(
        self, trial: Trial
    ) -> None:
        """A script that logs once a batch with the epoch as its step."""
        start = datetime(2026, 1, 1, tzinfo=UTC)
        batch = [
            Point("accuracy", 0, value, start + timedelta(seconds=value))
            for value in (0.1, 0.3, 0.2)
        ]
        for _ in range(2):
            send(trial, *batch)
        trial.refresh_from_db()
        assert (trial.reports, trial.value, trial.last_value) == (3, 0.3, 0.2)
        assert factories.point_count() == 3

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_values_that_are_not_finite_are_kept_and_never_the_best(
        self, trial: Trial, value: float
    ) -> None:
        send(trial, Point("accuracy", 0, 0.5), Point("accuracy", 1, value))
        trial.refresh_from_db()
        assert (trial.reports, trial.value) == (2, 0.5)
        (_, stored) = factories.points(trial.current_attempt)
        assert str(stored) == str((1, value))

    def test_the_trial_has_the_best_and_when_it_was(self, trial: Trial) -> None:
        values = [0.2, math.nan, 0.6, 0.4]
        send(trial, *(Point("accuracy", i, v) for i, v in enumerate(values)))
        trial.refresh_from_db()
        assert (trial.value, trial.value_report) == (0.6, 3)

    def test_minimizing_takes_the_lowest(self) -> None:
        objective = {"primary_metric": "loss", "goal": "minimize"}
        document = factories.definition_document(objective=objective)
        trial = factories.trial(factories.sweep(factories.team(), document=document))
        factories.claim(trial)
        factories.report(trial, [0.9, 0.3, 0.5], name="loss")
        assert (trial.value, trial.value_report, trial.last_value) == (0.3, 2, 0.5)

    def test_a_report_counts_by_its_arrival_whatever_its_step(
        self, trial: Trial
    ) -> None:
        for step in (7, 3, 5):
            send(trial, Point("accuracy", step, 0.1))
        steps = [step for step, _ in factories.points(trial.current_attempt)]
        assert steps == [7, 3, 5]

    def test_other_metrics_are_no_reports(self, trial: Trial) -> None:
        send(trial, Point("loss", 0, 1.5), Point("accuracy ", 0, 0.5))
        trial.refresh_from_db()
        assert trial.reports == 0
        assert set(trial.current_attempt.metrics.values_list("name", flat=True)) == {
            "loss",
            "accuracy ",
        }


class TestNames:
    """A name too many never costs a good one, and the primary metric has no limit."""

    def test_names_beyond_the_limit_are_refused_one_by_one(self, trial: Trial) -> None:
        many = [Point(f"metric-{i}", 0, 1.0) for i in range(ingest.MAX_NAMES + 2)]
        reply = send(trial, *many, Point("accuracy", 0, 0.5))
        assert [(r.name, r.points) for r in reply.refused] == [
            ("metric-1000", 1),
            ("metric-1001", 1),
        ]
        assert "1,000 other metric names" in reply.refused[0].reason
        assert factories.point_count() == ingest.MAX_NAMES + 1
        trial.refresh_from_db()
        assert trial.reports == 1

    def test_the_primary_metric_may_be_the_1001st_name(self, trial: Trial) -> None:
        send(trial, *(Point(f"metric-{i}", 0, 1.0) for i in range(ingest.MAX_NAMES)))
        for step in range(3):
            new = Point(f"epoch-{step}", 0, 1.0)
            reply = send(trial, new, Point("accuracy", step, 0.5))
            assert [r.name for r in reply.refused] == [new.name]
        trial.refresh_from_db()
        assert trial.reports == 3
        missing = MissingData.of(Attempt.objects.get().missing)
        assert [r.name for r in missing.refused] == ["epoch-0", "epoch-1", "epoch-2"]

    def test_names_of_the_machine_have_a_limit_of_their_own(self, trial: Trial) -> None:
        most = ingest.MAX_SYSTEM_NAMES
        send(trial, *(Point(f"metric-{i}", 0, 1.0) for i in range(ingest.MAX_NAMES)))
        assert not send(trial, Point("system/cpu", 5, 1.5)).refused
        many = [Point(f"system/gpu_{i}", 0, 1.0) for i in range(most)]
        assert [r.name for r in send(trial, *many).refused] == [many[-1].name]
        assert send(trial, Point("loss", 0, 1.0)).refused

    def test_single_runs_have_the_limit_too(self) -> None:
        run = factories.run(factories.team())
        send(run, *(Point(f"metric-{i}", 0, 1.0) for i in range(ingest.MAX_NAMES)))
        assert send(run, Point("one more", 0, 1.0)).refused

    def test_what_is_remembered_is_bounded(self, trial: Trial) -> None:
        for batch in range(3):
            refused = [
                RefusedPoint(f"{batch}-{i}" + "n" * 400, "name", "it is too long")
                for i in range(500)
            ]
            for _ in range(2):
                ingest.record(trial.current_attempt_id or 0, [], refused=refused)
        stored = Attempt.objects.get().missing
        assert len(json.dumps(stored)) < 6_000
        counts = [r.points for r in MissingData.of(stored).names()]
        assert counts == [1] * 20 + [1480]

    def test_nothing_refused_takes_no_query_more(
        self, trial: Trial, django_assert_num_queries: Any
    ) -> None:
        send(trial, Point("accuracy", 0, 0.5))
        with CaptureQueriesContext(connection) as usual:
            send(trial, Point("accuracy", 1, 0.5))
        assert not any("missing" in (query["sql"] or "") for query in usual)
        bad = RefusedPoint("a", "value", "value is null")
        with django_assert_num_queries(len(usual) + 2):
            ingest.record(
                trial.current_attempt_id or 0,
                [Point("accuracy", 2, 0.5)],
                refused=[bad],
            )


class TestFence:
    @pytest.mark.parametrize("end", ["finish", "lose"])
    def test_an_attempt_that_does_not_count_is_refused(
        self, trial: Trial, end: str
    ) -> None:
        attempt = trial.current_attempt
        if end == "finish":
            outcome = lifecycle.Outcome(cause="exited", exit_code=0)
            lifecycle.finish_attempt(attempt, outcome)
        else:
            lifecycle.lose_attempt(attempt, reason="silent", message="Gone.")
        with pytest.raises(ingest.AttemptNotRunning):
            ingest.record(attempt.pk, [Point("accuracy", 0, 0.5)])
        assert not factories.point_count()

    def test_an_unknown_attempt_is_refused(self) -> None:
        with pytest.raises(ingest.AttemptNotRunning):
            ingest.record(999_999, [])

    def test_an_empty_batch_asks_whether_to_stop(self, trial: Trial) -> None:
        assert send(trial) == ingest.Reply(stop=False, reason="")
        lifecycle.request_stop(trial, reason="user", message="Enough.")
        assert send(trial) == ingest.Reply(stop=True, reason="Enough.")


def written_in_vain(*arguments: Any) -> None:
    write(*arguments)
    raise ZeroDivisionError


class TestFailures:
    """After a transaction that fails, the batch is as it was before."""

    def batch(self, trial: Trial, monkeypatch: pytest.MonkeyPatch) -> ReportBatch:
        """It was almost stored, and has a name too many."""
        points = [Sent("accuracy", 0, 0.5), Sent("loss", 0, 0.5)]
        batch = ReportBatch(trial.current_attempt_id or 0, points)
        with monkeypatch.context() as broken:
            broken.setattr(group.ReportGroup, "write", written_in_vain)
            with pytest.raises(ZeroDivisionError):
                group.write_together([batch])
        assert batch.reply
        return batch

    def test_each_refused_point_is_said_once(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(held, "MAX_NAMES", 0)
        reply = group.write_alone(self.batch(trial, monkeypatch))
        assert [(r.name, r.points) for r in reply.refused] == [("loss", 1)]

    def test_what_was_never_stored_is_never_answered(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batch = self.batch(trial, monkeypatch)
        factories.lose(trial.current_attempt)
        with pytest.raises(ingest.AttemptNotRunning):
            group.write_alone(batch)
        assert not factories.point_count()


class TestCost:
    def test_a_report_takes_the_same_queries_in_a_large_sweep(
        self, sweep: Sweep
    ) -> None:
        Sweep.objects.filter(pk=sweep.pk).update(
            early_termination={"type": "median_stopping"}
        )
        sweep.refresh_from_db()
        counts = []
        for rivals in (1, 20):
            for _ in range(rivals):
                factories.reported_trial(sweep, [0.5, 0.6], state="completed")
            trial = factories.reported_trial(sweep, [0.7])
            with CaptureQueriesContext(
                connection,
            ) as queries:
                factories.report(trial, [0.8], first_step=1)
            counts.append(len(queries))
        assert counts[0] == counts[1]
        assert counts[0] <= 18


class TestJudging:
    def median(self, team_name: str = "Physics", **settings: object) -> Sweep:
        policy = {"type": "median_stopping", **settings}
        document = factories.definition_document(early_termination=policy)
        return factories.sweep(factories.team(team_name), document=document)

    def test_the_reply_to_the_report_that_falls_behind_says_stop(self) -> None:
        sweep = self.median(delay_evaluation=3)
        factories.reported_trial(sweep, [0.5, 0.6, 0.7], state="completed")
        factories.reported_trial(sweep, [0.7, 0.8, 0.9], state="completed")
        trial = factories.reported_trial(sweep, [0.1, 0.2])
        assert not Decision.objects.filter(trial=trial).exists()
        reply = factories.report(trial, [0.3], first_step=2)
        assert reply.stop
        decision = Decision.objects.get(trial=trial)
        assert (decision.n, decision.value, decision.stop) == (3, 0.3, True)
        assert decision.threshold == pytest.approx(0.7)
        assert decision.rivals == 2
        assert decision.settings["delay_evaluation"] == 3
        assert trial.stop_reason == "policy"
        assert trial.stop_message == reply.reason == decision.reason

    def test_going_on_is_a_decision_too(self) -> None:
        sweep = self.median()
        factories.reported_trial(sweep, [0.5], state="completed")
        trial = factories.reported_trial(sweep, [0.9])
        decision = Decision.objects.get(trial=trial)
        assert not decision.stop
        assert decision.reason

    def test_a_worked_example_of_three_trials(self) -> None:
        """Averages over five reports: A .67, B .50, C .28; bests .8, .6 and .35."""
        sweep = self.median(delay_evaluation=5)
        a = factories.reported_trial(sweep, [0.5, 0.6, 0.7, 0.75])
        b = factories.reported_trial(sweep, [0.4, 0.45, 0.5, 0.55])
        c = factories.reported_trial(sweep, [0.2, 0.25, 0.3, 0.3])
        for trial, fifth in ((a, 0.8), (c, 0.35), (b, 0.6)):
            factories.report(trial, [fifth], first_step=4)
        stopped = [trial.stop_reason == "policy" for trial in (a, b, c)]
        assert stopped == [False, False, True]
        assert c.decisions.get().threshold == pytest.approx(0.67)
        assert b.decisions.get().threshold == pytest.approx((0.67 + 0.28) / 2)

    def test_several_reports_in_one_batch_are_judged_one_by_one(self) -> None:
        sweep = self.median()
        factories.reported_trial(sweep, [0.5, 0.6, 0.7], state="completed")
        trial = factories.reported_trial(sweep, [0.9, 0.9, 0.9])
        assert list(trial.decisions.values_list("n", flat=True)) == [1, 2, 3]

    def test_no_report_is_judged_after_the_one_that_ended_the_trial(self) -> None:
        sweep = self.median()
        factories.reported_trial(sweep, [0.5, 0.6, 0.7], state="completed")
        trial = factories.reported_trial(sweep, [0.1, 0.9, 0.9])
        assert list(trial.decisions.values_list("n", "stop")) == [(1, True)]

    def test_another_sweeps_trials_are_no_rivals(self) -> None:
        other = self.median("Chemistry")
        factories.reported_trial(other, [0.9], state="completed")
        trial = factories.reported_trial(self.median(), [0.1])
        assert not trial.stop_reason
        assert trial.decisions.get().rivals == 0

    def test_a_lost_attempts_reports_are_no_rivals(self) -> None:
        sweep = self.median()
        ghost = factories.reported_trial(sweep, [0.9])
        lifecycle.lose_attempt(ghost.current_attempt, reason="silent", message="Gone.")
        trial = factories.reported_trial(sweep, [0.1])
        assert trial.decisions.get().rivals == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite lets one writer in at a time"
)
def test_reports_that_come_at_the_same_time_are_numbered_one_by_one() -> None:
    trial = factories.trial(factories.sweep(factories.team()))
    attempt = factories.claim(trial).attempt
    errors: list[Exception] = []

    def report(first: int) -> None:
        try:
            for step in range(first, first + 10):
                ingest.record(attempt.pk, [Point("accuracy", step, step / 100)])
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=report, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    trial.refresh_from_db()
    assert trial.reports == 40
    assert factories.point_count() == 40
