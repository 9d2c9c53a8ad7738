"""The points of a series that are taken at once are those that are taken one by one."""

from __future__ import annotations

import random
from typing import Any

import pytest

from experiments.tracking import codec
from experiments.tracking.arriving import ArrivingSeries, Sent
from tests.tracking.test_resending import VALUES

ROW = (1, 2, "loss", 0, *[None] * 5, b"", False)
TIMES = (None, 5, 5, 6, 7)


def a_batch(chance: random.Random, start: int) -> list[Sent]:
    """Steps that rise or not, some with the same time or with none."""
    leaps, times = (
        chance.choice(((1, 3), (1, 3), (0, 1), (-1, 2))),
        chance.choice((1, 5)),
    )
    step, batch = start, []
    for _ in range(chance.randrange(1, 12)):
        step += chance.randint(*leaps)
        time = chance.choice(TIMES[-times:])
        batch.append(Sent("loss", step, chance.choice(VALUES), time))
    return batch


def stored(series: ArrivingSeries) -> Any:
    """All but the times of arrival, which times of points without one are, too."""
    points = codec.from_tail(bytes(series.tail))
    times = [
        None if time == arrived else time
        for time, arrived in points[["time", "arrived"]].tolist()
    ]
    columns = repr(points["step"].tolist()), times, repr(points["value"].tolist())
    low_and_high, last_time = series.row()[4:6], series.last_time
    last_time = last_time if last_time in TIMES else None
    last = series.last_step, last_time, repr(series.last_value)
    return columns, last, low_and_high, series.count


@pytest.mark.parametrize("keyed", [True, False])
def test_points_are_the_same_at_once_or_one_by_one(keyed: bool) -> None:
    at_once = 0
    for seed in range(300):
        chance = random.Random(seed)
        quick, slow = ArrivingSeries(ROW), ArrivingSeries(ROW)
        for start in (0, 30, 20, 90):
            batch = a_batch(chance, start)
            for series in (quick, slow):
                series.begin_batch()
            taken = quick.take_all(batch)
            at_once += taken
            answers = [slow.take(point, keyed=keyed) for point in batch]
            if taken:
                assert answers == [None] * len(batch)
            else:
                assert answers == [quick.take(point, keyed=keyed) for point in batch]
            assert stored(quick) == stored(slow), (seed, batch)
    assert 200 < at_once < 1_000


def test_arrival_times_rise() -> None:
    series = ArrivingSeries(ROW)
    for start in (0, 500, 1_000):
        assert series.take_all([Sent("loss", start + n, 0.5) for n in range(500)])
    arrived = codec.from_tail(bytes(series.tail))["arrived"].tolist()
    assert arrived == sorted(set(arrived))
