"""Imports finished trials of another system as the first trials of a new sweep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from django.db import transaction
from django.db.models.functions import Now

from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import Origin
from experiments.search.document.limits import MAX_TRIALS
from experiments.search.fields import DefinitionError, Problem
from experiments.search.formats import FinishedTrial
from experiments.search.space.space import SearchSpace

MESSAGE = "That was before this sweep began; it was imported."
BATCH = 500


def usable_trials(
    space: SearchSpace, trials: Sequence[FinishedTrial]
) -> list[FinishedTrial]:
    """Trials whose values the space contains: samplers learn from these."""
    return list(_usable(space, trials))


def _usable(
    space: SearchSpace, trials: Sequence[FinishedTrial]
) -> Iterator[FinishedTrial]:
    for trial in trials:
        try:
            space.encode(trial.params)
            json.dumps(trial.params, allow_nan=False)
        except ValueError:
            continue
        if trial.params and not trial.params.keys() - space.parameters.keys():
            yield trial


def add_finished_trials(
    sweep: Sweep, space: SearchSpace, trials: Sequence[FinishedTrial]
) -> int:
    """Add trials to a draft that has none, and return how many.

    They have numbers from 0 and no attempts; max_total_trials grows by their number.
    Idempotent. Raises DefinitionError if the sweep would have too many trials.
    """
    usable = usable_trials(space, trials)
    if not usable or sweep.state != SweepState.DRAFT or sweep.trials.exists():
        return 0
    total = sweep.max_total_trials + len(usable)
    if total > MAX_TRIALS:
        sentence = (
            f"With its {len(usable):,} finished trials the sweep has {total:,};"
            f" {MAX_TRIALS:,} are allowed."
        )
        raise DefinitionError([Problem("limits.max_total_trials", sentence)])
    with transaction.atomic():
        rows = (_row(sweep, number, trial) for number, trial in enumerate(usable))
        Trial.objects.bulk_create(rows, batch_size=BATCH)
        Sweep.objects.filter(pk=sweep.pk).update(
            max_total_trials=total, updated_at=Now()
        )
    sweep.max_total_trials = total
    return len(usable)


def _row(sweep: Sweep, number: int, trial: FinishedTrial) -> Trial:
    return Trial(
        experiment_id=sweep.experiment_id,
        sweep=sweep,
        number=number,
        params=dict(trial.params),
        origin=Origin.IMPORTED,
        state=trial.state,
        reason=Origin.IMPORTED,
        message=MESSAGE,
        value=trial.value,
        last_value=trial.value,
        ended_at=Now(),
    )
