"""Points come back bit by bit as they were stored, whole and in parts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.models import Metric, Segment, Trial
from experiments.tracking import codec, excerpts, series
from experiments.tracking.codec import Records
from experiments.tracking.excerpts import Cursor
from tests import factories

WHOLE = st.integers(-(2**63), 2**63 - 1)
VALUES = st.floats(width=64) | st.sampled_from([math.nan, math.inf, -math.inf, -0.0])


def records(rows: Any) -> Records:
    return np.array([tuple(row) for row in rows], codec.RECORD)


class TestCodec:
    @given(st.lists(st.tuples(WHOLE, WHOLE, WHOLE, VALUES), min_size=1, max_size=300))
    def test_a_segment_has_its_points_bit_by_bit(self, rows: Any) -> None:
        points = records(rows)
        assert codec.decode(codec.encode(points)).tobytes() == points.tobytes()

    @given(st.lists(st.tuples(WHOLE, WHOLE, VALUES), min_size=1, max_size=50))
    def test_a_time_that_is_the_arrival_is_stored_once(self, rows: Any) -> None:
        points = records([(step, time, time, value) for step, time, value in rows])
        data = codec.encode(points)
        assert data[:1] == codec.ARRIVED_IS_TIME
        assert codec.decode(memoryview(data)).tobytes() == points.tobytes()

    @given(st.lists(st.tuples(WHOLE, WHOLE, WHOLE, VALUES), min_size=1, max_size=9))
    @settings(max_examples=20)
    def test_a_full_segment_has_its_points_bit_by_bit(self, rows: Any) -> None:
        points = np.resize(records(rows), codec.MAX_SEGMENT)
        # Late by a different time each, so that the difference is the shorter form.
        points["time"] = points["arrived"] - np.arange(codec.MAX_SEGMENT) % 97
        pauses = np.random.default_rng(0).integers(1, 2**40, codec.MAX_SEGMENT)
        for column in ("arrived", "time"):
            points[column] += np.cumsum(pauses)
        data = codec.encode(points)
        assert data[:1] == codec.TIME_FROM_ARRIVED
        assert codec.decode(data).tobytes() == points.tobytes()

    def test_a_tail_is_the_records_as_they_are(self) -> None:
        points = records([(1, 2, 3, -0.0), (-1, 5, 6, math.nan)])
        assert len(points.tobytes()) == 64
        assert codec.from_tail(points.tobytes()).tobytes() == points.tobytes()

    @pytest.mark.parametrize("data", [b"", b"\x09abc", b"\x01abc"])
    def test_what_is_no_segment_is_refused(self, data: bytes) -> None:
        with pytest.raises(codec.UnknownFormat):
            codec.decode(data)

    def test_a_cut_tells_what_it_holds(self) -> None:
        points = records([(5, 9, 10, math.nan), (-3, 7, 11, 2.0), (4, 8, 12, math.inf)])
        (cut,) = codec.cut(points, 40)
        assert cut[:6] == (40, 3, -3, 5, 7, 9)
        assert (cut.low, cut.high) == (2.0, 2.0)
        (blank,) = codec.cut(points[:1], 0)
        assert (blank.low, blank.high) == (None, None)

    def test_long_parts_are_cut_at_the_most(self) -> None:
        cuts = list(codec.cut(np.zeros(10_000, codec.RECORD), 7))
        assert [(c.first, c.count) for c in cuts] == [
            *((7, 4096), (4103, 4096), (8199, 1808))
        ]

    def test_moments_are_exact_to_the_microsecond(self) -> None:
        for time in (0, -1, 1_764_567_890_123_457, 253_402_300_799_999_999):
            assert codec.microseconds(codec.moment(time)) == time


def stored(trial: Trial, points: Records, sizes: Any, name: str = "loss") -> Metric:
    """A metric with these points: segments of these sizes, and the rest in the tail."""
    first, cuts = 0, []
    for size in sizes:
        cuts += codec.cut(points[first : first + size], first)
        first = min(len(points), first + size)
    metric, _ = Metric.objects.update_or_create(
        attempt=trial.current_attempt,
        name=name,
        defaults={"count": len(points), "tail": points[first:].tobytes()},
    )
    metric.segments.all().delete()
    Segment.objects.bulk_create(Segment(metric=metric, **c._asdict()) for c in cuts)
    return metric


def random_points(seed: int, count: int) -> Records:
    rng = np.random.default_rng(seed)
    points = np.empty(count, codec.RECORD)
    points["step"] = rng.permutation(count) // int(rng.integers(1, 4)) - 5
    if rng.random() < 0.7:
        points["step"].sort()
    points["arrived"] = np.cumsum(rng.integers(3, 1_000, count))
    points["time"] = points["arrived"] - rng.integers(0, 3, count)
    points["value"] = rng.normal(size=count)
    points["value"][rng.random(count) < 0.1] = math.nan
    return points


@pytest.mark.django_db
class TestReading:
    @pytest.fixture
    def trial(self) -> Trial:
        return factories.trial(factories.sweep(factories.team()))

    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        seed=st.integers(0, 10_000),
        count=st.integers(0, 60),
        sizes=st.lists(st.integers(1, 20), max_size=5),
        window=st.tuples(st.integers(0, 70), st.integers(0, 70)),
        limit=st.integers(1, 30),
        whole=st.booleans(),
    )
    def test_parts_of_series_equal_a_model(
        self,
        trial: Trial,
        seed: int,
        count: int,
        sizes: list[int],
        window: tuple[int, int],
        limit: int,
        whole: bool,
    ) -> None:
        points = random_points(seed, count)
        metric = stored(trial, points, sizes)
        start, stop = window
        found = series.read([metric.pk], start=start, stop=stop)
        assert found[metric.pk].tobytes() == points[start:stop].tobytes()
        ordered = points[np.lexsort((points["time"], points["step"]))]
        with pytest.MonkeyPatch.context() as patch:
            if not whole:
                patch.setattr(excerpts, "MAX_SEGMENT", 0)
                patch.setattr(excerpts, "MAX_WHOLE", 0)
            assert self.paged(metric, limit) == ordered.tobytes()
            parts = excerpts.excerpts([metric.pk], excerpts.telling)[metric.pk]
        assert points[parts.places].tobytes() == parts.points.tobytes()
        finite = points["value"][np.isfinite(points["value"])]
        if len(finite):
            assert {finite.min(), finite.max()} <= set(parts.points["value"].tolist())
            assert {0, count - 1} <= set(parts.places.tolist())

    def paged(self, metric: Metric, limit: int) -> bytes:
        """All points by step and time, page by page."""
        found, after = b"", None
        while len(page := excerpts.page(metric.pk, after=after, limit=limit)):
            assert len(page) <= limit
            found += page.tobytes()
            after = Cursor(int(page["step"][-1]), int(page["time"][-1]))
        return found
