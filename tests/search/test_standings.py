from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.records import Standing
from experiments.search.standings import Standings

LOSSES = st.floats(-100, 100) | st.just(math.inf)
# Which trial reports next, and what: trials report at their own pace.
REPORTS = st.lists(st.tuples(st.integers(0, 40), LOSSES), max_size=120)


def computed(losses: list[float]) -> Standing:
    finite = [loss for loss in losses if math.isfinite(loss)]
    mean = math.fsum(finite) / len(finite) if finite else math.inf
    return Standing(len(losses), min(finite, default=math.inf), mean)


@given(reports=REPORTS, ended=st.sets(st.integers(0, 40)))
def test_they_are_those_of_a_scan_of_all_reports(
    reports: list[tuple[int, float]], ended: set[int]
) -> None:
    standings, curves = Standings(), dict[int, list[float]]()
    for number, loss in reports:
        if number not in curves:
            standings.start(number)
        curves.setdefault(number, []).append(loss)
        standing = standings.report(number, loss)
        scanned = computed(curves[number])
        assert standing.report == scanned.report
        assert standing.best == scanned.best == standings.best(number)
        assert standing.mean == pytest.approx(scanned.mean)
    for number in ended & set(curves):
        standings.finish(number)
    for own in curves:
        for report in range(1, 5):
            rivals = standings.rivals(own, report)
            others = {
                number: computed(losses[:report])
                for number, losses in curves.items()
                if number != own and len(losses) >= report
            }
            assert sorted(rivals.numbers.tolist()) == sorted(others)
            for place, number in enumerate(rivals.numbers.tolist()):
                assert rivals.best[place] == others[number].best
                assert rivals.mean[place] == pytest.approx(others[number].mean)
                assert rivals.running[place] == (number not in ended)


def test_nobody_has_come_to_a_report_that_was_never_made() -> None:
    standings = Standings()
    standings.start(0)
    assert len(standings.rivals(0, 1)) == 0


def test_many_trials_are_kept() -> None:
    standings = Standings()
    for number in range(1000):
        standings.start(number)
        standings.report(number, float(number))
    rivals = standings.rivals(500, 1)
    assert len(rivals) == 999
    assert rivals.best.sum() == sum(range(1000)) - 500
    assert rivals.running.all()


def test_rivals_do_not_change_under_the_hands_of_who_got_them() -> None:
    standings = Standings()
    for number in range(3):
        standings.start(number)
        standings.report(number, float(number))
    rivals = standings.rivals(0, 1)
    standings.finish(1)
    standings.start(3)
    standings.report(3, 9.0)
    assert rivals.numbers.tolist() == [1, 2]
    assert rivals.running.tolist() == [True, True]
    assert np.isfinite(rivals.best).all()


def test_a_mean_of_huge_losses_does_not_overflow() -> None:
    standings = Standings()
    standings.start(0)
    for _ in range(3):
        standing = standings.report(0, 1.5e308)
    assert standing.mean == pytest.approx(1.5e308)
