"""What early termination saved."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from experiments import access
from experiments.api.auth import of_experiment, reader
from experiments.api.errors import WITHOUT_NUL
from experiments.api.pagination import PageOut
from experiments.api.schemas import answers
from experiments.sweeps import savings

router = Router(tags=["savings"])


class SavingOut(Schema):
    """An estimate: for every trial that the policy ended, the median of its sweep's
    completed trials minus what it used itself, and never less than 0."""

    trials: Annotated[int, Field(description="trials that the policy ended")]
    reports: Annotated[float, Field(description="of the primary metric")]
    seconds: Annotated[float, Field(description="of training")]
    gpu_seconds: float
    money: Annotated[
        float | None,
        Field(description="at the present price of the pools; null without any"),
    ]


class MonthlySavingOut(SavingOut):
    month: Annotated[str, Field(description="in which the trials ended, by UTC")]
    team: str
    experiment: str
    sweep: int
    name: Annotated[str, Field(description="of the sweep, such as digits-3")]


class SavingsOut(PageOut):
    items: list[MonthlySavingOut]
    total: SavingOut


@router.get("/savings", response=answers(200, SavingsOut))
def list_savings(
    request: HttpRequest,
    team: Annotated[
        str | None, Query(pattern=WITHOUT_NUL, description="Slug of a team.")
    ] = None,
    experiment: Annotated[
        str | None,
        Query(pattern=WITHOUT_NUL, description="Slug or id of an experiment."),
    ] = None,
    sweep: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
    month: Annotated[
        str | None,
        Query(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="Such as 2026-11."),
    ] = None,
) -> SavingsOut:
    """What early termination saved, by month and sweep, the earliest first.

    Sweeps of your teams with trials that a policy stopped, all on one page.
    """
    sweeps = access.sweeps_for(reader(request)).select_related(None)
    if team is not None:
        sweeps = sweeps.filter(experiment__team__slug=team)
    if experiment is not None:
        sweeps = sweeps.filter(of_experiment(experiment))
    if sweep is not None:
        sweeps = sweeps.filter(pk=sweep)
    lines = savings.monthly_savings(sweeps, month=month)
    total = savings.total(line.saving for line in lines)
    return SavingsOut(
        items=[_line_out(line) for line in lines], total=SavingOut(**vars(total))
    )


def _line_out(line: savings.MonthlySaving) -> MonthlySavingOut:
    experiment = line.sweep.experiment
    return MonthlySavingOut(
        **vars(line.saving),
        month=line.month,
        team=experiment.team.slug,
        experiment=experiment.slug,
        sweep=line.sweep.pk,
        name=line.sweep.label,
    )
