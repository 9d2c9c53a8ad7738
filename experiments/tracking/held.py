"""The rows of attempts and trials that a group of requests has locked and changes, and
how many more metrics the attempts may have."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from django.db.models import Count, F, Q

from experiments.models import Metric
from experiments.models.metrics import SYSTEM
from experiments.search.records import Goal, Objective
from experiments.search.termination import Policy, make_policy
from experiments.tracking.memory import JudgedSweep

# How many batches an attempt remembers the keys of, and the bytes of each hash.
MAX_KEYS, KEY_SIZE = 64, 8
# Besides the primary metric, which is always stored.
MAX_NAMES, MAX_SYSTEM_NAMES = 1_000, 200
TOO_MANY_NAMES = (
    f"the trial has {MAX_NAMES:,} other metric names, the most that are allowed; put"
    " changing parts, such as an epoch, into step"
)


@dataclass(slots=True)
class HeldAttempt:
    """The columns of sql.ATTEMPTS."""

    pk: int
    trial: int
    trial_token_digest: str
    runner_token_digest: str
    release_requested_at: datetime | str | None
    resumed_from: int | None
    keys: bytes
    is_compacted: bool
    has_recent_heartbeat: bool | None
    has_new_key: bool = False

    def has_token(self, digest: str) -> bool:
        """Whether the digest is of one of its tokens; an empty one was checked."""
        return digest in ("", self.trial_token_digest, self.runner_token_digest)

    @property
    def needs_heartbeat(self) -> bool:
        """Whether its reports renew it: a worker's attempt gets its runner's, and one a
        second is enough, as it takes half the time of storing a point."""
        return not (self.runner_token_digest or self.has_recent_heartbeat)

    def has_seen(self, key: str) -> bool:
        """Whether a batch with this key was stored."""
        kept, wanted = bytes(self.keys), _hashed(key)
        places = range(0, len(kept), KEY_SIZE)
        return any(kept[place : place + KEY_SIZE] == wanted for place in places)

    def see(self, key: str) -> None:
        self.keys = (bytes(self.keys) + _hashed(key))[-MAX_KEYS * KEY_SIZE :]
        self.has_new_key = True


def _hashed(key: str) -> bytes:
    return blake2b(key.encode("utf-8", "replace"), digest_size=KEY_SIZE).digest()


@dataclass(slots=True)
class HeldTrial:
    """The columns of sql.TRIALS."""

    pk: int
    number: int
    runs_to_end: bool
    stop_reason: str
    stop_message: str
    reports: int
    value: float | None
    value_report: int | None
    last_value: float | None
    stamp: int
    sweep: int | None
    primary_metric: str | None
    goal: Goal
    early_termination: str | None
    is_changed: bool = False
    objective: Objective = field(init=False)
    policy: Policy | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.objective = Objective(self.primary_metric or "", self.goal)
        if self.sweep is not None and self.early_termination is not None:
            self.policy = _policy(self.early_termination, self.objective)

    @property
    def judged_sweep(self) -> JudgedSweep | None:
        """Its sweep, if that has a policy."""
        if self.sweep is None or self.policy is None:
            return None
        return JudgedSweep(self.sweep, self.primary_metric or "", self.goal)

    @property
    def may_end(self) -> bool:
        """Whether a policy may end it now."""
        return not (self.stop_reason or self.runs_to_end)

    def report(self, value: float) -> float:
        """Count the next report; returns its loss."""
        self.reports += 1
        self.last_value = None if math.isnan(value) else value
        self.is_changed = True
        loss = self.objective.loss(value)
        best = math.inf if self.value is None else self.objective.loss(self.value)
        if loss < best:
            self.value, self.value_report = self.objective.value(loss), self.reports
        return loss

    def start_over(self) -> None:
        """Forget all reports."""
        self.reports, self.value, self.value_report = 0, None, None
        self.last_value, self.is_changed = None, True

    def row(self) -> Sequence[Any]:
        """The parameters of sql.UPDATE_TRIAL."""
        return (
            *(self.reports, self.last_value, self.value, self.value_report),
            *(self.stamp, self.pk),
        )


@lru_cache(maxsize=64)
def _policy(text: str, objective: Objective) -> Policy | None:
    return make_policy(json.loads(text), objective)


def rooms_for_names(attempts: Collection[int]) -> dict[int, dict[bool, int]]:
    """How many new names each attempt has room for: True for those of the system."""
    primary = Q(name=F("attempt__trial__sweep__primary_metric"))
    # Single runs have none.
    others = Metric.objects.filter(~primary | Q(attempt__trial__sweep=None))
    is_system = Q(name__startswith=SYSTEM)
    used = others.filter(attempt__in=attempts).order_by().values_list("attempt")
    rows = used.annotate(
        own=Count("pk", filter=~is_system), system=Count("pk", filter=is_system)
    )
    rooms = {pk: {False: MAX_NAMES, True: MAX_SYSTEM_NAMES} for pk in attempts}
    for attempt, own, system in rows:
        rooms[attempt][False] -= own
        rooms[attempt][True] -= system
    return rooms
