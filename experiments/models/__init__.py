"""The nouns of sweepsite as tables. Writes that change a state are in lifecycle.py."""

from __future__ import annotations

from experiments.models.audit import Event
from experiments.models.metrics import (
    Decision,
    Metric,
    MetricPoint,
    RankBlock,
    Report,
)
from experiments.models.outputs import Artifact
from experiments.models.pools import Pool, Worker, WorkerToken
from experiments.models.schedulers import SchedulerProcess
from experiments.models.sweeps import CodeSnapshot, Experiment, SpaceVersion, Sweep
from experiments.models.teams import ApiToken, Membership, Team, User
from experiments.models.trials import Attempt, Trial
from experiments.models.wishes import Wish

__all__ = [
    "ApiToken",
    "Artifact",
    "Attempt",
    "CodeSnapshot",
    "Decision",
    "Event",
    "Experiment",
    "Membership",
    "Metric",
    "MetricPoint",
    "Pool",
    "RankBlock",
    "Report",
    "SchedulerProcess",
    "SpaceVersion",
    "Sweep",
    "Team",
    "Trial",
    "User",
    "Wish",
    "Worker",
    "WorkerToken",
]
