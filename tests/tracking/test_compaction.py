"""Series are rewritten in large segments: the same points in the same order."""

from __future__ import annotations

import pytest

from experiments import lifecycle
from experiments.models import Attempt, Metric, Segment, Trial
from experiments.models.trials import TrialState
from experiments.tracking import compaction, ingest, series
from experiments.tracking.codec import MAX_SEGMENT
from experiments.tracking.ingest import Point
from tests import factories
from tests.tracking.test_series import random_points, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def trial() -> Trial:
    made = factories.trial(factories.sweep(factories.team()))
    factories.claim(made)
    return made


def end(trial: Trial) -> None:
    outcome = lifecycle.Outcome(cause="exited", exit_code=0)
    lifecycle.finish_attempt(trial.attempts.get(), outcome)


def counts(metric: Metric) -> list[int]:
    return list(metric.segments.order_by("first").values_list("count", flat=True))


def test_an_ended_attempt_has_full_segments(trial: Trial) -> None:
    points = random_points(3, 9_000)
    metric = stored(trial, points, [128] * 70)
    few = stored(trial, points[:3], [], name="val_loss")
    end(trial)
    for _ in range(2):
        compaction.compact_ended()
        assert counts(metric) == [4_096, 4_096, 808]
        assert series.read([metric.pk])[metric.pk].tobytes() == points.tobytes()
        assert series.read([few.pk])[few.pk].tobytes() == points[:3].tobytes()
        # As after a kill: the job finds it once more.
        Attempt.objects.update(compacted_at=None)
    assert not few.segments.exists()
    compaction.compact_ended()
    assert Attempt.objects.get().compacted_at is not None
    assert compaction._waiting() == []


def test_an_attempt_that_is_killed_in_between_loses_nothing(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = random_points(4, 5_000)
    metric = stored(trial, points, [128] * 30)
    end(trial)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Segment.objects, "bulk_create", killed)
        compaction.compact_ended()
    assert series.read([metric.pk])[metric.pk].tobytes() == points.tobytes()
    assert Attempt.objects.get().compacted_at is None
    compaction.compact_ended()
    assert counts(metric) == [4_096, 904]


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_one_that_runs_again_is_left_as_it_is(trial: Trial) -> None:
    points = random_points(5, 300)
    metric = stored(trial, points, [128, 128])
    compaction.compact(trial.attempts.get().pk)
    assert counts(metric) == [128, 128]
    assert Attempt.objects.get().compacted_at is None


def test_small_segments_of_a_long_running_series_are_put_together(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "BATCH", 50)
    points = random_points(6, 2 * MAX_SEGMENT + 6_000)
    sizes = [MAX_SEGMENT, *[128] * 20, MAX_SEGMENT, *[100] * 11]
    metric = stored(trial, points, sizes)
    assert compaction._long_series() == []
    metric = stored(trial, points, [*sizes, *[130] * 18])
    compaction.compact_ended()
    assert counts(metric)[:3] == [MAX_SEGMENT] * 3
    assert len(counts(metric)) == 4
    assert series.read([metric.pk])[metric.pk].tobytes() == points.tobytes()
    assert compaction._long_series() == []


def test_points_that_come_after_it_are_put_together_too() -> None:
    """A single run takes points after its end. The full segments stay as they are."""
    run = factories.run(factories.team())
    attempt = run.current_attempt_id or 0
    lifecycle.finish_run(run, TrialState.COMPLETED)

    def log(first: int, count: int) -> None:
        points = [Point("loss", step, 0.5) for step in range(first, first + count)]
        ingest.record(attempt, points)

    log(0, 5_000)
    compaction.compact_ended()
    full = Segment.objects.get(first=0)
    log(5_000, 100)
    assert compaction._waiting() == []
    for first in (5_100, 5_300):
        log(first, 200)
        assert compaction._waiting() == [attempt]
        compaction.compact_ended()
    metric = Metric.objects.get()
    assert counts(metric) == [4_096, 1_404]
    assert Segment.objects.get(first=0).pk == full.pk
    assert series.read([metric.pk])[metric.pk]["step"].tolist() == [*range(5_500)]
