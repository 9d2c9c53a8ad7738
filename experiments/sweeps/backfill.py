"""Backfill: runs configurations of a sweep that have no outcome again.

These are trials that the infrastructure lost, that failed, that were cancelled with
their sweep, or whose rows were deleted. A trial ended by a policy or a person has an
outcome. Deleted configurations are computed again from their numbers where the sampler
goes by the seed and the number alone (random, grid, sobol).
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast

from experiments import lifecycle, queues
from experiments.models import Event, Sweep, TrialRequest, User
from experiments.models.sweeps import SweepState
from experiments.models.trials import TRIAL_LIVE, Origin, TrialState
from experiments.search.fields import DefinitionError
from experiments.search.samplers import Sampler, make_sampler
from experiments.search.space.distribution import identity
from experiments.sweeps.control import NotPossible
from experiments.sweeps.requests import (
    lock_to_request,
    refusal_of,
    repetition,
    room_refusal,
    trials_named,
    waiting_requests,
)
from experiments.tracking.spaces import parsed_space


@dataclass(frozen=True)
class Recomputed:
    """`params` is None if they cannot be computed; `words` say why or how."""

    params: Mapping[str, Any] | None
    words: str


class Recomputer:
    """Recomputes configurations of one sweep; rows are read once for all."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep

    def configuration(self, number: int) -> Recomputed:
        if number in self._requested:
            words = "Deleted; a person had requested it with these values."
            return Recomputed(self._requested[number], words)
        if number < self._imported:
            return Recomputed(None, "Deleted; it was imported, so its values are lost.")
        version = self._version(number)
        sampler = self._sampler(version)
        if sampler is None:
            return Recomputed(
                None, "Deleted; its search space cannot be read any more."
            )
        if sampler.needs_history:
            return Recomputed(None, _by_results(sampler.kind))
        if version > 1 and sampler.space.is_finite:
            words = (
                "Deleted; the search space had been changed before, and what it was"
                " depends on the trials of then."
            )
            return Recomputed(None, words)
        found = sampler.suggest(number - self._unchosen_before(number))
        if found is None:
            return Recomputed(None, "Deleted; the space has no such configuration.")
        return Recomputed(found.params, "Deleted; its values follow from the seed.")

    @cached_property
    def _requested(self) -> dict[int, Mapping[str, Any]]:
        """Values of begun requests by their trials' numbers."""
        begun = self.sweep.requests.filter(number__isnull=False)
        rows = begun.values_list("number", "params")
        return {number: params for number, params in rows if number is not None}

    @cached_property
    def _imported(self) -> int:
        return self.sweep.trials.filter(origin=Origin.IMPORTED).next_number()

    @cached_property
    def _unchosen(self) -> list[int]:
        """Numbers of trials that no sampler chose, without imported ones, in order."""
        there = self.sweep.trials.requested().values_list("number", flat=True)
        return sorted({*there, *self._requested})

    def _unchosen_before(self, number: int) -> int:
        return bisect_left(self._unchosen, number) + self._imported

    def _version(self, number: int) -> int:
        """The version of the search space that the trial was drawn from."""
        later = (version for until, version in self._versions if until > number)
        return next(later, self.sweep.space_version)

    @cached_property
    def _versions(self) -> list[tuple[int, int]]:
        """Each earlier version and the number before which it was used, in order."""
        versions = self.sweep.space_versions.order_by("version")
        return list(versions.values_list("until", "version"))

    def _sampler(self, version: int) -> Sampler | None:
        if version not in self._samplers:
            self._samplers[version] = self._made(version)
        return self._samplers[version]

    @cached_property
    def _samplers(self) -> dict[int, Sampler | None]:
        return {}

    def _made(self, version: int) -> Sampler | None:
        document: Mapping[str, Any] = self.sweep.definition
        if version != self.sweep.space_version:
            kept = self.sweep.space_versions.filter(version=version).first()
            document = kept.document if kept else {}
        space = parsed_space(self.sweep, document)
        try:
            settings = self.sweep.definition["sampling_algorithm"]
            return None if space is None else make_sampler(settings, space)
        except (DefinitionError, KeyError):
            return None


def _by_results(kind: str) -> str:
    return (
        f"Deleted; {kind} chooses by the results of its time, so its values cannot be"
        " computed again."
    )


BACKFILLED = "backfill requested"
LOST, FAILED, CANCELLED, DELETED = "lost", "failed", "cancelled", "deleted"
KINDS = (FAILED, LOST, CANCELLED, DELETED)
# Reasons of cancelled trials that are outcomes. Others were cancelled with their sweep;
# events say which trials a person cancelled on their own.
OUTCOME_REASONS = frozenset({"trial_timeout", "target", lifecycle.POLICY})
BY_PERSON = "user"
# An equal configuration in one of these states needs no backfill.
OUTCOMES = frozenset({TrialState.COMPLETED, TrialState.TERMINATED, *TRIAL_LIVE})


@dataclass(frozen=True)
class MissingTrial:
    """`kind` is one of KINDS, `why` a sentence, `trial` the id of its row. `params` is
    None if a deleted configuration cannot be computed again."""

    number: int
    kind: str
    why: str
    trial: int | None
    params: Mapping[str, Any] | None
    state: str = ""

    def request(self) -> TrialRequest:
        """The trial to request for it."""
        params = self.params or {}
        if self.trial is None:
            return TrialRequest(
                params=params, origin=Origin.REPLACEMENT, source_number=self.number
            )
        return repetition(self.number, params, self.state)


@dataclass(frozen=True)
class Backfill:
    """Trials to run again by number; `unknown` ones cannot be computed."""

    trials: tuple[MissingTrial, ...]
    unknown: tuple[MissingTrial, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """The number of trials of each kind, without unknown ones."""
        counted = Counter(trial.kind for trial in self.trials)
        return {kind: counted[kind] for kind in KINDS}


class _Row(NamedTuple):
    pk: int
    number: int
    state: str
    reason: str
    message: str
    params: str


def find_backfill(sweep: Sweep) -> Backfill:
    """What a backfill would run now. The number of queries is fixed."""
    rows = [_Row(*row) for row in _read(sweep)]
    found = [*_ended_badly(sweep, rows), *_deleted(sweep, rows)]
    known, unknown = [], []
    filled = _last_outcomes(rows)
    taken = {
        identity(trial_request.params) for trial_request in waiting_requests(sweep)
    }
    for trial in sorted(found, key=lambda trial: trial.number):
        if trial.params is None:
            unknown.append(trial)
            continue
        key = identity(trial.params)
        if key not in taken and filled.get(key, -1) < trial.number:
            taken.add(key)
            known.append(trial)
    return Backfill(tuple(known), tuple(unknown))


def run_backfill(
    sweep: Sweep, *, actor: User | None, dry_run: bool = False
) -> Backfill:
    """Request all of these trials, beyond the budget. Idempotent: requested ones are
    left out. Raises NotPossible in states that do not allow it. ``dry_run``: only find
    them."""
    if dry_run:
        return find_backfill(sweep)
    with transaction.atomic():
        lock_to_request(sweep, actor)
        found = find_backfill(sweep)
        if not found.trials:
            return found
        refusal = refusal_of(sweep) or room_refusal(sweep, len(found.trials))
        if refusal:
            raise NotPossible(refusal)
        numbers = [trial.number for trial in found.trials]
        lifecycle.add_requests(
            sweep,
            [trial.request() for trial in found.trials],
            verb=BACKFILLED,
            message=f"Backfill: {counts_in_words(found.counts)}."
            f" {trials_named(numbers)} will run again.",
            data={"trials": numbers},
            actor=actor,
        )
    queues.wake_scheduler()
    return found


def counts_in_words(counts: Mapping[str, int]) -> str:
    """``2 failed, 1 deleted``."""
    return ", ".join(f"{n:,} {kind}" for kind, n in counts.items() if n) or "no trials"


def _read(sweep: Sweep) -> Iterator[tuple[Any, ...]]:
    trials = sweep.trials.order_by("number").values_list(
        "pk", "number", "state", "reason", "message", Cast("params", TextField())
    )
    return trials.iterator(chunk_size=2000)


def _ended_badly(sweep: Sweep, rows: list[_Row]) -> Iterator[MissingTrial]:
    alone = _cancelled_alone(sweep)
    for row in rows:
        kind = _kind(row, alone)
        if kind:
            params = json.loads(row.params)
            yield MissingTrial(
                row.number, kind, _why(row), row.pk, params, state=row.state
            )


def _kind(row: _Row, alone: set[int] | None) -> str:
    if row.reason == Origin.IMPORTED:
        return ""
    if row.state == TrialState.FAILED:
        return LOST if row.reason == "lost" else FAILED
    if row.state != TrialState.CANCELLED or row.reason in OUTCOME_REASONS:
        return ""
    if row.reason == BY_PERSON and (alone is None or row.number in alone):
        return ""
    return CANCELLED


def _why(row: _Row) -> str:
    if row.message:
        return row.message
    return f"It {row.state} ({row.reason})." if row.reason else f"It {row.state}."


def _cancelled_alone(sweep: Sweep) -> set[int] | None:
    """Numbers of trials that a person cancelled, alone or with some others; None: all
    of them, as the sweep was never cancelled."""
    events = Event.objects.filter(sweep=sweep)
    verb = f"sweep {SweepState.CANCELLED}"
    if not events.filter(verb=verb, trial=None).exists():
        return None
    alone = events.filter(verb=lifecycle.CANCELLED_ALONE, trial__isnull=False)
    some = events.filter(verb=lifecycle.CANCELLED_SOME).values_list("data", flat=True)
    return {
        *alone.values_list("trial__number", flat=True),
        *(number for data in some for number in data["trials"]),
    }


def _deleted(sweep: Sweep, rows: list[_Row]) -> Iterator[MissingTrial]:
    there = {row.number for row in rows}
    last = rows[-1].number if rows else -1
    missing = [number for number in range(last + 1) if number not in there]
    if not missing:
        return
    recomputer = Recomputer(sweep)
    for number in missing:
        known = recomputer.configuration(number)
        yield MissingTrial(number, DELETED, known.words, None, known.params)


def _last_outcomes(rows: list[_Row]) -> dict[str, int]:
    """By configuration: the highest number of a trial that has or gets an outcome."""
    return {
        identity(json.loads(row.params)): row.number
        for row in rows
        if row.state in OUTCOMES
    }
