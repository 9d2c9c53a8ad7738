from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.added_curves import add_curves
from experiments.search.rungs import LearningCurve, Rung
from experiments.search.standings import Standings
from experiments.search.termination.evidence import MAX_FINISHED, Evidence, Rivals
from tests.search.termination.scanned import ScannedEvidence

LOSSES = st.integers(-3, 3).map(float) | st.floats(-100, 100) | st.just(math.inf)
# Which trial reports next, what, and how it ends afterwards: each at its own pace.
REPORTS = st.lists(
    st.tuples(
        st.integers(0, 12), LOSSES, st.sampled_from(["", "", "", "completed", "ended"])
    ),
    max_size=120,
)


def same_rivals(rivals: Rivals, scanned: Rivals) -> None:
    assert len(rivals) == len(scanned)
    assert rivals.leader() == scanned.leader()
    median, setters = scanned.median_of_means()
    assert rivals.median_of_means() == (pytest.approx(median), setters)
    assert [rivals.ranked(k) for k in range(len(rivals))] == [
        scanned.ranked(k) for k in range(len(scanned))
    ]
    for loss in (-1.0, 0.0, 2.5, math.inf):
        assert rivals.better_than(loss) == scanned.better_than(loss)


def same(evidence: Evidence, scanned: Evidence) -> None:
    assert evidence.number == scanned.number
    assert evidence.report == scanned.report == evidence.own.report
    assert evidence.own == pytest.approx(scanned.own)
    assert evidence.losses().tolist() == scanned.losses().tolist()
    same_rivals(evidence.rivals, scanned.rivals)
    same_rivals(evidence.rivals.only_running(), scanned.rivals.only_running())
    finished, again = evidence.finished, scanned.finished
    assert finished.numbers.tolist() == again.numbers.tolist()
    assert finished.lengths.tolist() == again.lengths.tolist()
    assert [c.tolist() for c in finished.curves()] == [
        c.tolist() for c in again.curves()
    ]
    assert finished.best_of_all() == again.best_of_all()


def reported(standings: Standings, number: int, loss: float) -> Evidence:
    evidence = standings.report(number, loss)
    assert evidence is not None
    return evidence


@given(reports=REPORTS)
def test_they_answer_like_a_scan_of_all_reports(
    reports: list[tuple[int, float, str]],
) -> None:
    standings, curves = Standings(), dict[int, list[float]]()
    ended, completed = list[int](), list[int]()
    for number, loss, end in reports:
        if number in ended or number in completed:
            continue
        if number not in curves:
            standings.start(number)
        curves.setdefault(number, []).append(loss)
        evidence = reported(standings, number, loss)
        scanned = ScannedEvidence(number, curves, ended=ended, completed=completed)
        same(evidence, scanned)
        assert standings.standing(number) == evidence.own
        if end:
            standings.finish(number, completed=end == "completed")
            (completed if end == "completed" else ended).append(number)


@given(losses=st.lists(st.lists(LOSSES, min_size=1, max_size=9), max_size=6))
def test_many_curves_at_once_are_as_if_each_loss_came_on_its_own(
    losses: list[list[float]],
) -> None:
    at_once, alone = list[Rung](), list[Rung]()
    made: dict[int, LearningCurve] = {}
    add_curves({k: np.array(each) for k, each in enumerate(losses)}, at_once, made)
    curves = {number: LearningCurve(number) for number in range(len(losses))}
    for curve, each in zip(curves.values(), losses, strict=True):
        for report, loss in enumerate(each):
            curve.add(loss)
            if report == len(alone):
                alone.append(Rung(report + 1, curves))
            alone[report].add(curve)
    assert sorted(map(state, made.values())) == sorted(map(state, curves.values()))
    for report in range(max(map(len, losses), default=0)):
        for measure in ("best", "mean", "value"):
            order, again = (r[report].order(measure, False) for r in (at_once, alone))
            assert order.losses == again.losses
            assert order.numbers == again.numbers


def state(curve: LearningCurve) -> tuple[int, list[float], float, float, int]:
    losses = curve.losses.tolist()
    return curve.number, losses, curve.best, curve.mean, curve._finite


def test_a_rung_forgets_one_trial() -> None:
    curves: dict[int, LearningCurve] = {}
    rung = Rung(1, curves, {0, 2})
    for number, loss in enumerate([3.0, 1.0, 2.0]):
        curve = curves[number] = LearningCurve(number)
        curve.add(loss)
        rung.add(curve)
    assert rung.order("best", True).numbers.tolist() == [2, 0]
    rung.remove(1)
    assert rung.leaders.besides(0) == (2, 2.0)
    assert rung.order("best", False).numbers.tolist() == [2, 0]
    assert rung.order("mean", False).losses.tolist() == [2.0, 3.0]


def test_a_trial_that_started_and_did_not_report_is_no_rival() -> None:
    standings = Standings()
    standings.start(0)
    standings.start(1)
    evidence = reported(standings, 0, 1.0)
    assert len(evidence.rivals) == 0
    assert evidence.rivals.leader() is None
    assert math.isinf(evidence.finished.best_of_all())


def test_where_no_policy_is_asked_there_is_no_evidence() -> None:
    standings = Standings(lambda report: report == 2)
    for number in range(2):
        standings.start(number)
        assert standings.report(number, 1.0) is None
    assert reported(standings, 1, 2.0).own.best == 1.0
    assert reported(standings, 0, 0.5).rivals.median_of_means() == (1.5, (1,))
    assert standings.report(0, 0.0) is None


def test_many_trials_are_kept() -> None:
    standings = Standings()
    for number in range(1000):
        standings.start(number)
        standings.report(number, float(number))
    standings.start(1000)
    rivals = reported(standings, 1000, 500.0).rivals
    assert len(rivals) == 1000
    assert rivals.better_than(500.0) == 500
    assert rivals.ranked(999).number == 999
    assert rivals.median_of_means() == (499.5, (499, 500))


def test_only_the_latest_finished_trials_are_learnt_from() -> None:
    standings = Standings()
    for number in range(MAX_FINISHED + 10, 0, -1):
        standings.start(number)
        standings.report(number, float(number))
        standings.finish(number)
    finished = standings.finished(0)
    assert finished.numbers.tolist() == list(range(11, MAX_FINISHED + 11))
    assert finished.best_of_all() == 1.0


def test_a_finished_curve_cannot_be_written_to() -> None:
    standings = Standings()
    standings.start(0)
    standings.report(0, 1.0)
    standings.finish(0)
    (curve,) = standings.finished(1).curves()
    with pytest.raises(ValueError, match="read-only"):
        curve[0] = 2.0


def test_what_is_derived_from_the_finished_is_worked_out_once_for_each_set() -> None:
    standings, calls = Standings(), list[int]()

    def count(finished: object) -> int:
        calls.append(len(calls))
        return len(calls)

    for number in range(3):
        standings.start(number)
        evidence = reported(standings, number, 1.0)
    standings.finish(0)
    assert [standings.finished(1).derived(count) for _ in range(3)] == [1, 1, 1]
    standings.finish(1)
    assert evidence.finished.derived(count) == 2


def test_a_mean_of_huge_losses_does_not_overflow() -> None:
    standings = Standings()
    standings.start(0)
    standings.start(1)
    for _ in range(3):
        standings.report(0, 1.5e308)
        rivals = reported(standings, 1, 1.0).rivals
        assert rivals.median_of_means() == (pytest.approx(1.5e308), (0,))


def test_a_negative_infinity_is_no_value() -> None:
    standings = Standings()
    standings.start(0)
    evidence = reported(standings, 0, -math.inf)
    assert evidence.own.silent
    assert np.isinf(evidence.losses()).all()
