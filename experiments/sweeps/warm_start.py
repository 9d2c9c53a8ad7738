"""Finished trials of another system, or runs and trials of this site, as the first
trials of a new sweep.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models.functions import Now

from experiments.models import Event, Metric, Sweep, Trial, User
from experiments.models.sweeps import SweepState
from experiments.models.trials import Origin, TrialState
from experiments.search.document.limits import MAX_TRIALS
from experiments.search.fields import DefinitionError, Problem
from experiments.search.formats import FinishedTrial
from experiments.search.space.params import read_params, values_of
from experiments.search.space.space import SearchSpace
from experiments.search.wording import counted
from experiments.sweeps.control import NotPossible
from experiments.tracking.spaces import search_space

MESSAGE = "That was before this sweep began; it was imported."
BATCH = 500
MAX_REASONS = 5
# The verb of its event.
WARM_STARTED = "first trials added"


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
        message=f"{MESSAGE} Source: {trial.source}." if trial.source else MESSAGE,
        value=trial.value,
        last_value=trial.value,
        ended_at=Now(),
    )


# --- runs and trials of this site -----------------------------------------------------


@dataclass(frozen=True)
class LeftOut:
    """A run or trial that cannot be a first trial, and why, in a sentence."""

    trial: Trial
    reason: str

    @property
    def sentence(self) -> str:
        """The reason with the trial's name in it."""
        name, (first, _, rest) = self.trial.label, self.reason.partition(" ")
        return f"{name} {rest}" if first == "It" else f"{name}: {self.reason}"


@dataclass(frozen=True)
class WarmStart:
    """How many trials were added, and which runs were left out."""

    added: int
    left_out: Sequence[LeftOut]

    @property
    def sentence(self) -> str:
        """What was added and what was left out, with the first reasons."""
        added = f"{counted(self.added, 'run')} became the first trials."
        if not self.left_out:
            return added
        shown = " ".join(each.sentence for each in self.left_out[:MAX_REASONS])
        more = len(self.left_out) - MAX_REASONS
        rest = f" And {more} more." if more > 0 else ""
        return f"{added} Left out {counted(len(self.left_out), 'run')}. {shown}{rest}"


def warm_start(
    sweep: Sweep, trials: Sequence[Trial], *, actor: User | None = None
) -> WarmStart:
    """Make runs and trials the first trials of a draft. They need ``run`` and ``sweep``
    joined. The sweep's events keep what was left out. Raises NotPossible and
    DefinitionError."""
    if sweep.state != SweepState.DRAFT or sweep.trials.exists():
        raise NotPossible(
            f"{sweep} has begun or has first trials already. Runs can only be added to"
            " a draft without trials."
        )
    space, values = search_space(sweep), _values(sweep, trials)
    found = {trial: _read(sweep, space, trial, values) for trial in trials}
    usable = {t.pk: e for t, e in found.items() if isinstance(e, FinishedTrial)}
    refused = [LeftOut(t, why) for t, why in found.items() if isinstance(why, str)]
    added = add_finished_trials(sweep, space, list(usable.values()))
    result = WarmStart(added, refused)
    # The trials have numbers from 0 in this order, unless some were not usable.
    sources = list(usable) if added == len(usable) else []
    Event.log(
        WARM_STARTED,
        result.sentence,
        actor=actor,
        sweep=sweep,
        data={"sources": sources},
    )
    return result


def sources_of(trials: Sequence[Trial]) -> Mapping[int, Trial]:
    """The runs and trials that imported trials were made from, by imported trial, as
    far as they are known. In two queries."""
    imported = [trial for trial in trials if trial.origin == Origin.IMPORTED]
    events = Event.objects.filter(
        sweep__in={trial.sweep_id for trial in imported},
        verb=WARM_STARTED,
        data__sources__0__gt=0,
    )
    by_sweep = {event.sweep_id: event.data["sources"] for event in events}
    ids = {
        trial.pk: by_sweep[trial.sweep_id][trial.number]
        for trial in imported
        if trial.number < len(by_sweep.get(trial.sweep_id, ()))
    }
    joined = ("run", "sweep__experiment", "experiment", "current_attempt")
    known = Trial.objects.kept().select_related(*joined).in_bulk(list(ids.values()))
    return {
        trial.pk: known[ids[trial.pk]]
        for trial in imported
        if ids.get(trial.pk) in known
        and known[ids[trial.pk]].experiment.team_id == trial.experiment.team_id
    }


def _values(sweep: Sweep, trials: Sequence[Trial]) -> Mapping[int, float | None]:
    """The best value of the sweep's primary metric, by trial."""
    rows = Metric.objects.filter(
        attempt__in=[trial.current_attempt_id for trial in trials],
        name=sweep.primary_metric,
    )
    best = "high" if sweep.goal == "maximize" else "low"
    return dict(rows.values_list("attempt__trial", best))


def _read(
    sweep: Sweep, space: SearchSpace, trial: Trial, values: Mapping[int, float | None]
) -> FinishedTrial | str:
    """The trial, or why it cannot be used."""
    if not trial.has_ended:
        return "It has not ended."
    value = values.get(trial.pk)
    if value is None and trial.state != TrialState.FAILED:
        return f"It reported no value of {sweep.primary_metric}."
    own = {name: p for name, p in trial.params.items() if name in space.parameters}
    given = own if trial.sweep_id else values_of(space, trial.run.params)
    try:
        checked = read_params(space, given)
    except DefinitionError as error:
        return str(error.problems[0].message)
    if checked.outside:
        return checked.outside[0]
    return FinishedTrial(dict(checked.params), value, trial.state, source=trial.label)
