"""Sweeps and trials in the API.

Times are ISO 8601 in UTC, durations are seconds. Numbers that JSON lacks are the texts
NaN, Infinity and -Infinity.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any, Literal

from django.conf import settings
from ninja import Schema
from pydantic import Field

from experiments.api.points import RefusedOut
from experiments.cleanup import quotas
from experiments.formatting import code_of
from experiments.models import Attempt, Sweep, Trial
from experiments.search.likely_best import Likely
from experiments.search.records import Objective
from experiments.sweeps.creation import sweep_document
from experiments.sweeps.editing import version_of
from experiments.sweeps.progress import Progress
from experiments.sweeps.search_status import search_status
from experiments.sweeps.warnings import missing_results


def json_number(value: float | None) -> float | Literal["Infinity", "-Infinity"] | None:
    """A stored value for JSON, which has no infinities."""
    if value is None or math.isfinite(value):
        return value
    return "Infinity" if value > 0 else "-Infinity"


Number = float | Literal["NaN", "Infinity", "-Infinity"]
Seconds = Annotated[float | None, Field(description="seconds")]


def reported_number(value: float | None) -> Number:
    """A value that was reported: columns of numbers keep NaN as NULL."""
    is_nan = value is None or math.isnan(value)
    number = None if is_nan else json_number(value)
    return "NaN" if number is None else number


class ErrorDetailOut(Schema):
    code: Annotated[str, Field(description="for programs; never changes")]
    message: Annotated[str, Field(description="for people")]
    fields: Annotated[
        dict[str, list[str]], Field(description="path of a field to its sentences")
    ]


class ErrorOut(Schema):
    error: ErrorDetailOut


REFUSALS = frozenset({400, 401, 403, 404, 409, 411, 412, 413, 415, 422, 429})


def answers(status: int, model: Any) -> dict[Any, Any]:
    """The ``response`` of a route: its own answer, and the shape of every refusal."""
    return {status: model, REFUSALS: ErrorOut}


def page_url(row: Sweep | Trial) -> str:
    return settings.SITE_URL + row.get_absolute_url()


class BestOut(Schema):
    id: int
    number: int
    name: str
    state: str
    value: float | None
    params: dict[str, Any]
    url: str

    @classmethod
    def of(cls, trial: Trial) -> BestOut:
        return cls(
            id=trial.pk,
            number=trial.number,
            name=trial.label,
            state=trial.state,
            value=trial.value,
            params=trial.params,
            url=page_url(trial),
        )


class LimitsOut(Schema):
    max_total_trials: int
    max_concurrent_trials: int
    max_failed_trials: int | None
    timeout: Seconds
    trial_timeout: Seconds


class ExperimentOut(Schema):
    id: int
    name: str
    slug: str


class ComputeOut(Schema):
    spent: Annotated[
        float, Field(description="Seconds of training, lost attempts included.")
    ]
    saved: Annotated[
        float,
        Field(
            description="Estimate, in seconds: for every trial that the policy ended,"
            " the median training time of the completed trials minus its own, and"
            " never less than 0."
        ),
    ]
    saved_reports: Annotated[
        float,
        Field(description="The same estimate, in reports of the primary metric."),
    ]


class SweepRowOut(Schema):
    """A sweep in a listing."""

    id: int
    name: Annotated[str, Field(description="the name to say, such as digits-3")]
    number: int
    url: str
    state: str
    reason: str
    message: str
    waiting: Annotated[
        str | None,
        Field(description="why its new trials wait; null: they need only a free slot"),
    ]
    display_name: str
    description: str
    tags: dict[str, Any]
    archived: bool
    team: str
    experiment: ExperimentOut
    primary_metric: str
    goal: str
    limits: LimitsOut
    early_termination: dict[str, Any] | None
    pool: str
    code: Annotated[
        dict[str, Any] | None,
        Field(
            description="kind: files, git or folder; of git the url, ref, path and"
            " the commit that all trials run, empty until the first has looked it up"
        ),
    ]
    created_by: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    counts: Annotated[dict[str, int], Field(description="trials in each state")]
    progress: Annotated[
        float, Field(description="Share of the trials that have ended, 0 to 1.")
    ]
    best_trial: BestOut | None
    compute: ComputeOut


class LikelyOut(Schema):
    """The configuration that is likeliest to be best, where single results are noisy.

    Values are those of the primary metric, in its own sign.
    """

    number: Annotated[int, Field(description="the first trial that ran it")]
    numbers: Annotated[list[int], Field(description="all trials that ran it")]
    expected: Annotated[
        float,
        Field(
            description="What is expected of it: its mean value, drawn towards what a"
            " model of all results expects, the less the more often it was run."
        ),
    ]
    value: Annotated[float, Field(description="the best that it logged")]
    mean: Annotated[float, Field(description="the mean of its trials")]
    params: dict[str, Any]
    url: str

    @classmethod
    def of(cls, likely: Likely, trial: Trial, objective: Objective) -> LikelyOut:
        return cls(
            number=trial.number,
            numbers=list(likely.numbers),
            expected=objective.value(likely.loss),
            value=objective.value(likely.best_loss),
            mean=objective.value(likely.mean_loss),
            params=trial.params,
            url=page_url(trial),
        )


class MissingOut(Schema):
    """What trials reported and the site does not have."""

    trials: Annotated[list[int], Field(description="their numbers")]
    lost: Annotated[
        int, Field(description="trials with losses, such as on a full disk")
    ]
    refused: list[RefusedOut]


class SweepOut(SweepRowOut):
    """A sweep with all that belongs to it, its document included."""

    notes: str
    priority: int
    version: Annotated[
        str,
        Field(description="differs as soon as any setting differs; for `if_version`"),
    ]
    space_version: Annotated[
        int, Field(description="1, and one more with every change of its search space")
    ]
    likely_best: Annotated[
        LikelyOut | None,
        Field(description="null before ten trials have completed"),
    ]
    missing: Annotated[
        MissingOut | None,
        Field(description="null: the site has all that its trials reported"),
    ]
    definition: Annotated[
        dict[str, Any],
        Field(description="The sweep document, with what was changed since."),
    ]


def sweep_fields(sweep: Sweep, progress: Progress) -> dict[str, Any]:
    """The fields of a SweepRow."""
    own = (
        "number state reason message description tags primary_metric goal"
        " early_termination created_at started_at ended_at"
    )
    experiment = sweep.experiment
    return {
        **{name: getattr(sweep, name) for name in own.split()},
        "id": sweep.pk,
        "archived": sweep.archived_at is not None,
        "name": sweep.label,
        "display_name": sweep.name,
        "url": page_url(sweep),
        "waiting": quotas.waiting_text(sweep),
        "team": experiment.team.slug,
        "experiment": ExperimentOut(
            id=experiment.pk, name=experiment.name, slug=experiment.slug
        ),
        "limits": LimitsOut.from_orm(sweep),
        "pool": sweep.pool.name,
        "code": code_of(sweep),
        "created_by": sweep.created_by.username if sweep.created_by else None,
        "counts": dict(progress.counts),
        "progress": progress.share,
        "best_trial": BestOut.of(progress.best) if progress.best else None,
        "compute": ComputeOut(
            spent=progress.spent,
            saved=progress.saved,
            saved_reports=progress.compute.saving.reports,
        ),
    }


def sweep_out(sweep: Sweep, progress: Progress) -> SweepOut:
    return SweepOut(
        **sweep_fields(sweep, progress),
        notes=sweep.notes,
        priority=sweep.priority,
        version=version_of(sweep),
        space_version=sweep.space_version,
        likely_best=_likely_best(sweep, tried=sum(progress.counts.values())),
        missing=_missing(sweep),
        definition=sweep_document(sweep),
    )


def _missing(sweep: Sweep) -> MissingOut | None:
    found = missing_results(sweep)
    if found is None:
        return None
    return MissingOut(
        trials=list(found.trials),
        lost=found.lost,
        refused=RefusedOut.of(found.refused),
    )


def _likely_best(sweep: Sweep, *, tried: int) -> LikelyOut | None:
    likely = search_status(sweep, tried=tried).likely
    if not likely:
        return None
    trial = sweep.trials.filter(number=likely[0].numbers[0]).first()
    return LikelyOut.of(likely[0], trial, sweep.objective) if trial else None


class TrialRowOut(Schema):
    """A trial in a listing."""

    id: int
    number: int
    name: Annotated[str, Field(description="the name to say, such as digits-3/17")]
    url: str
    state: str
    reason: str
    message: str
    stopping: Annotated[bool, Field(description="asked to stop, and not ended yet")]
    params: dict[str, Any]
    origin: Annotated[
        str,
        Field(
            description="Where its values come from: random, grid, sobol, initial"
            " design, model, exploration, imported, re-run of N, or re-run of N, to"
            " its end where no policy may end it early."
        ),
    ]
    value: Annotated[
        float | None, Field(description="best finite value of the primary metric")
    ]
    last_value: Annotated[
        Number | None, Field(description="last value of the primary metric")
    ]
    reports: Annotated[int, Field(description="reports of the primary metric")]
    metrics: Annotated[
        dict[str, Number], Field(description="last value of every metric")
    ]
    attempts: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    elapsed: Annotated[
        float | None, Field(description="seconds of training in all attempts")
    ]


class AttemptOut(Schema):
    """One try at running the trial."""

    n: int
    state: str
    reason: str
    message: str
    worker: str | None
    client: Annotated[str, Field(description="the process that asked for the trial")]
    claimed_at: datetime | None
    ended_at: datetime | None
    elapsed: Seconds
    exit_code: int | None
    signal: int | None
    peak_memory: Annotated[int | None, Field(description="bytes")]

    @classmethod
    def of(cls, attempt: Attempt) -> AttemptOut:
        worker = attempt.worker.name if attempt.worker else None
        own = {name: getattr(attempt, name) for name in cls.model_fields}
        return cls(**{**own, "worker": worker})
