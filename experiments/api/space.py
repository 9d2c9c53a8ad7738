"""The space that teams use, their quotas, and orphans."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from experiments import access
from experiments.api.auth import administrator, reader, writer
from experiments.api.errors import WITHOUT_NUL
from experiments.api.pagination import PageOut
from experiments.api.schemas import answers
from experiments.cleanup import measure, orphans, quotas
from experiments.cleanup.quotas import MAX_QUOTA, QuotaUse
from experiments.cleanup.usage import Measured, SpaceLine
from experiments.models import Orphan, Team

router = Router(tags=["space"])


class SpaceRowOut(Schema):
    """What one sweep takes of one kind, as measured. Without a sweep it is of the
    experiment's single runs or of code; without a team, of the installation."""

    team: str | None
    experiment: str | None
    sweep: int | None
    name: Annotated[str | None, Field(description="of the sweep, such as digits-3")]
    person: str | None
    kind: Annotated[
        str,
        Field(
            description="artifacts, logs, metrics, code, caches, trash, database or"
            " orphans"
        ),
    ]
    bytes: int
    files: int
    rows: Annotated[int, Field(description="of the database")]


class SpaceOut(PageOut):
    measured_at: Annotated[datetime | None, Field(description="null: not yet")]
    bytes: int
    bytes_per_week: Annotated[
        float | None, Field(description="growth; null before two days of measurements")
    ]
    items: list[SpaceRowOut]


class StartedOut(Schema):
    started: bool


class QuotaOut(Schema):
    team: str
    quota_bytes: Annotated[int | None, Field(description="null: no quota")]
    used_bytes: Annotated[int, Field(description="as measured, the trash included")]
    over_since: Annotated[
        datetime | None, Field(description="since then new trials wait; null: not over")
    ]


class QuotasOut(PageOut):
    items: list[QuotaOut]


class QuotaIn(Schema):
    quota_bytes: Annotated[int | None, Field(ge=0, le=MAX_QUOTA)]


class OrphanOut(Schema):
    kind: str
    name: str
    bytes: int
    files: int
    found_at: datetime


class OrphansOut(PageOut):
    items: list[OrphanOut]


@router.get("/space", response=answers(200, SpaceOut))
def get_space(
    request: HttpRequest,
    team: Annotated[
        str | None, Query(pattern=WITHOUT_NUL, description="Slug of a team.")
    ] = None,
) -> SpaceOut:
    """What your teams use, the largest first, all on one page; administrators of the
    installation see everything. A job measures it every hour."""
    user = reader(request)
    teams = access.teams_for(user)
    if team is not None:
        teams = teams.filter(slug=team)
    everything = access.sees_everything(user) and team is None
    measured = Measured(list(teams), with_site=everything)
    return SpaceOut(
        measured_at=measured.measured_at,
        bytes=measured.total().bytes,
        bytes_per_week=measured.total_growth().per_week,
        items=[_row_out(line) for line in measured.lines()],
    )


def _row_out(line: SpaceLine) -> SpaceRowOut:
    return SpaceRowOut(
        team=line.team.slug if line.team else None,
        experiment=line.experiment.slug if line.experiment else None,
        sweep=line.sweep.pk if line.sweep else None,
        name=line.sweep.label if line.sweep else None,
        person=line.person,
        kind=line.kind,
        bytes=line.bytes,
        files=line.files,
        rows=line.rows,
    )


@router.post("/space/measure", response=answers(202, StartedOut))
def start_measuring(request: HttpRequest) -> Status[StartedOut]:
    """Measure the space now. 409 ``busy``: other jobs wait already, or the queue does
    not answer."""
    writer(request)
    measure.start_measuring()
    return Status(202, StartedOut(started=True))


@router.get("/space/quotas", response=answers(200, QuotasOut))
def list_quotas(request: HttpRequest) -> QuotasOut:
    """The quotas of your teams, all on one page."""
    used = quotas.newest_usage()
    teams = access.teams_for(reader(request)).order_by("name")
    items = [_quota_out(QuotaUse(team, used.get(team.pk, 0))) for team in teams]
    return QuotasOut(items=items)


def _quota_out(use: QuotaUse) -> QuotaOut:
    return QuotaOut(
        team=use.team.slug,
        quota_bytes=use.quota,
        used_bytes=use.used,
        over_since=use.team.over_quota_since,
    )


@router.put("/space/quotas/{team}", response=answers(200, QuotaOut))
def change_quota(request: HttpRequest, team: str, body: QuotaIn) -> QuotaOut:
    """Set or remove a team's quota; for administrators of the installation."""
    actor = administrator(request)
    found = access.found_or_404(Team.objects.all(), slug=team)
    quotas.set_quota(found, body.quota_bytes, actor=actor)
    found.refresh_from_db()
    return _quota_out(QuotaUse(found, quotas.newest_usage().get(found.pk, 0)))


@router.get("/space/orphans", response=answers(200, OrphansOut))
def list_orphans(request: HttpRequest) -> OrphansOut:
    """Files without a row, and rows of outputs without a file, that the last
    measurement found; for administrators of the installation."""
    administrator(request)
    items = [OrphanOut.from_orm(orphan) for orphan in Orphan.objects.all()]
    return OrphansOut(items=items)


@router.delete("/space/orphans", response=answers(202, StartedOut))
def remove_orphans(request: HttpRequest) -> Status[StartedOut]:
    """Remove the listed orphans by a job, after another look at each; for
    administrators of the installation. 409 ``busy``: the job cannot start now."""
    actor = administrator(request)
    orphans.start_removal(actor)
    return Status(202, StartedOut(started=True))
