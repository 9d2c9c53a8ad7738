"""The gaps of a sweep: configurations that it was to try and that have no outcome.

Trials that the infrastructure lost, that failed, that were cancelled with their sweep,
and those whose rows were deleted. What a policy or a person ended on its own is an
outcome, and no gap; neither is what an equal configuration has made good since.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast

from experiments import lifecycle, queues
from experiments.further_trials import (
    locked,
    refusal_of,
    repetition,
    room_refusal,
    trials_named,
)
from experiments.models import Event, Sweep, User, Wish
from experiments.models.sweeps import SweepState
from experiments.models.trials import TRIAL_LIVE, Origin, TrialState
from experiments.recomputing import Recomputer
from experiments.search.values import identity
from experiments.steering import NotPossible
from experiments.wishes import waiting_wishes

FILLED = "gaps to fill"
LOST, FAILED, CANCELLED, DELETED = "lost", "failed", "cancelled", "deleted"
KINDS = (FAILED, LOST, CANCELLED, DELETED)
# Why trials are cancelled for their own sake, or because another one was good enough.
# All else befell them with their sweep, or by loss; where a person cancelled a single
# trial, that is on record.
OUTCOME_REASONS = frozenset({"trial_timeout", "target", lifecycle.POLICY})
BY_PERSON = "user"
# What counts as an outcome of an equal configuration.
OUTCOMES = frozenset({TrialState.COMPLETED, TrialState.TERMINATED, *TRIAL_LIVE})


@dataclass(frozen=True)
class Gap:
    """`kind` is one of KINDS, `why` a sentence, `trial` the id of its row.

    `params` is None where a deleted configuration cannot be computed again.
    """

    number: int
    kind: str
    why: str
    trial: int | None
    params: Mapping[str, Any] | None
    state: str = ""

    def request(self) -> Wish:
        """A trial that fills it."""
        params = self.params or {}
        if self.trial is None:
            return Wish(
                params=params, origin=Origin.REPLACEMENT, source_number=self.number
            )
        return repetition(self.number, params, self.state)


@dataclass(frozen=True)
class Gaps:
    """All gaps by number; `unknown` are those that cannot be filled."""

    gaps: tuple[Gap, ...]
    unknown: tuple[Gap, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind, the unknown ones left out."""
        counted = Counter(gap.kind for gap in self.gaps)
        return {kind: counted[kind] for kind in KINDS}


class _Row(NamedTuple):
    pk: int
    number: int
    state: str
    reason: str
    message: str
    params: str


def find_gaps(sweep: Sweep) -> Gaps:
    """The gaps as they are now, in a number of queries that does not grow with them."""
    rows = [_Row(*row) for row in _read(sweep)]
    found = [*_ended_badly(sweep, rows), *_deleted(sweep, rows)]
    known, unknown = [], []
    filled = _last_outcomes(rows)
    taken = {identity(wish.params) for wish in waiting_wishes(sweep)}
    for gap in sorted(found, key=lambda gap: gap.number):
        if gap.params is None:
            unknown.append(gap)
            continue
        key = identity(gap.params)
        if key not in taken and filled.get(key, -1) < gap.number:
            taken.add(key)
            known.append(gap)
    return Gaps(tuple(known), tuple(unknown))


def fill_gaps(sweep: Sweep, *, actor: User | None) -> Gaps:
    """Run all gaps once more, beyond the budget; the answer is what they were.

    Those that are filled already are left out, so asking twice is asking once. Raises
    NotPossible in states that do not allow it.
    """
    with transaction.atomic():
        locked(sweep)
        found = find_gaps(sweep)
        if not found.gaps:
            return found
        refusal = refusal_of(sweep) or room_refusal(sweep, len(found.gaps))
        if refusal:
            raise NotPossible(refusal)
        numbers = [gap.number for gap in found.gaps]
        lifecycle.take_wishes(
            sweep,
            [gap.request() for gap in found.gaps],
            verb=FILLED,
            message=f"Gaps to fill: {counts_in_words(found.counts)}."
            f" {trials_named(numbers)} shall run once more.",
            data={"trials": numbers},
            actor=actor,
        )
    queues.wake_scheduler()
    return found


def counts_in_words(counts: Mapping[str, int]) -> str:
    """``2 failed, 1 deleted``."""
    return ", ".join(f"{n:,} {kind}" for kind, n in counts.items() if n) or "none"


def _read(sweep: Sweep) -> Iterator[tuple[Any, ...]]:
    trials = sweep.trials.order_by("number").values_list(
        "pk", "number", "state", "reason", "message", Cast("params", TextField())
    )
    return trials.iterator(chunk_size=2000)


def _ended_badly(sweep: Sweep, rows: list[_Row]) -> Iterator[Gap]:
    alone = _cancelled_alone(sweep)
    for row in rows:
        kind = _kind(row, alone)
        if kind:
            params = json.loads(row.params)
            yield Gap(row.number, kind, _why(row), row.pk, params, state=row.state)


def _kind(row: _Row, alone: set[int] | None) -> str:
    if row.reason == Origin.IMPORTED:
        return ""
    if row.state == TrialState.FAILED:
        return LOST if row.reason == "lost" else FAILED
    if row.state != TrialState.CANCELLED or row.reason in OUTCOME_REASONS:
        return ""
    if row.reason == BY_PERSON and (alone is None or row.pk in alone):
        return ""
    return CANCELLED


def _why(row: _Row) -> str:
    if row.message:
        return row.message
    return f"It {row.state} ({row.reason})." if row.reason else f"It {row.state}."


def _cancelled_alone(sweep: Sweep) -> set[int] | None:
    """Trials that a person cancelled on their own; None: the sweep never was, so that
    all were."""
    events = Event.objects.filter(sweep=sweep)
    verb = f"sweep {SweepState.CANCELLED}"
    if not events.filter(verb=verb, trial=None).exists():
        return None
    alone = events.filter(verb=lifecycle.CANCELLED_ALONE, trial__isnull=False)
    return {pk for pk in alone.values_list("trial", flat=True) if pk is not None}


def _deleted(sweep: Sweep, rows: list[_Row]) -> Iterator[Gap]:
    there = {row.number for row in rows}
    last = rows[-1].number if rows else -1
    missing = [number for number in range(last + 1) if number not in there]
    if not missing:
        return
    recomputer = Recomputer(sweep)
    for number in missing:
        known = recomputer.configuration(number)
        yield Gap(number, DELETED, known.words, None, known.params)


def _last_outcomes(rows: list[_Row]) -> dict[str, int]:
    """By configuration: the largest number of a trial that has, or will have, one."""
    return {
        identity(json.loads(row.params)): row.number
        for row in rows
        if row.state in OUTCOMES
    }
