"""Replies get lost, and programs send again: what is stored was sent once."""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from experiments.models import Trial
from experiments.tracking import ingest
from experiments.tracking.ingest import Point
from tests import factories

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 1, tzinfo=UTC)
EDGES = (0, 0, 1, 2, 7, -(2**63) + 1, 2**63 - 1)
VALUES = (0.5, -0.5, math.nan, math.inf, -math.inf)


def a_batch(chance: random.Random) -> list[Point]:
    return [
        Point(
            chance.choice(("accuracy", "loss")),
            chance.choice(EDGES) if chance.random() < 0.5 else chance.randrange(300),
            chance.choice(VALUES) if chance.random() < 0.5 else chance.random(),
            START + timedelta(microseconds=chance.randrange(10**9))
            if chance.random() < 0.7
            else None,
        )
        for _ in range(chance.randrange(1, 60))
    ]


def identity(point: Point, key: str, place: int) -> tuple[object, ...]:
    """Points without a time are told apart by their batch and place."""
    which = (key, place) if point.time is None else (point.time,)
    return (point.name, point.step, str(point.value), *which)


def deliver(
    trial: Trial, batches: dict[str, list[Point]], chance: random.Random
) -> None:
    """In any order, some at the same time; 20 % of replies are lost."""
    waiting = list(batches)
    chance.shuffle(waiting)
    while waiting:
        key = waiting.pop()
        points = list(batches[key])
        attempt = trial.current_attempt_id or 0
        ingest.record(attempt, points, batch=key)
        if chance.random() < 0.2:
            waiting.insert(chance.randrange(len(waiting) + 1), key)


@pytest.mark.parametrize("seed", range(6))
def test_each_point_is_stored_once_whatever_is_lost(seed: int) -> None:
    chance = random.Random(seed)
    trial = factories.trial(factories.sweep(factories.team()))
    factories.claim(trial)
    batches = {f"batch {n}": a_batch(chance) for n in range(30)}
    deliver(trial, batches, chance)
    sent = {
        identity(point, key, place): point
        for key, points in batches.items()
        for place, point in enumerate(points)
    }
    stored = Counter(
        (name, step, str(value))
        for name in ("accuracy", "loss")
        for step, value in factories.points(trial.current_attempt, name)
    )
    assert stored == Counter((p.name, p.step, str(p.value)) for p in sent.values())
    trial.refresh_from_db()
    reports = [point for point in sent.values() if point.name == "accuracy"]
    assert trial.reports == len(reports)
    finite = [point.value for point in reports if math.isfinite(point.value)]
    assert trial.value == max(finite)
