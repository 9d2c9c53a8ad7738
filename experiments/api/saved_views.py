"""Saved views: named addresses of an experiment's pages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from experiments import access
from experiments.api.auth import reader, writer
from experiments.api.errors import WITHOUT_NUL, ClosedSchema
from experiments.api.idempotency import idempotent
from experiments.api.pagination import paginate
from experiments.api.schemas import answers
from experiments.models import SavedView
from experiments.sweeps.saved_views import change_view, delete_view, save_view

router = Router(tags=["views"])
Name = Annotated[str, Field(pattern=WITHOUT_NUL, max_length=1_000)]
Address = Annotated[
    str,
    Field(
        pattern=WITHOUT_NUL,
        max_length=20_000,
        description="as behind the question mark of the page's address:"
        " q=lr+%3C+0.01&sort=-accuracy",
    ),
]


class ViewIn(ClosedSchema):
    page: Annotated[
        Literal["experiment", "trials", "charts"],
        Field(description="trials and charts: of each sweep of the experiment"),
    ]
    name: Name
    query: Address = ""
    for_team: Annotated[bool, Field(description="else it is yours alone")] = False


class ViewChangeIn(ClosedSchema):
    name: Name | None = None
    query: Address | None = None


class ViewOut(Schema):
    id: int
    page: str
    name: str
    query: str
    for_team: bool
    saved_at: datetime

    @classmethod
    def of(cls, view: SavedView) -> ViewOut:
        return cls(
            id=view.pk,
            page=view.page,
            name=view.name,
            query=view.query,
            for_team=view.owner_id is None,
            saved_at=view.updated_at,
        )


def _rows(page: list[SavedView]) -> list[ViewOut]:
    return [ViewOut.of(view) for view in page]


@router.get("/experiments/{experiment_id}/views", response=answers(200, list[ViewOut]))
@paginate(rows=_rows)
def list_views(request: HttpRequest, experiment_id: int) -> QuerySet[SavedView]:
    """Your views of the experiment's pages and those of its team, the newest first."""
    user = reader(request)
    experiment = access.found_or_404(access.experiments_for(user), pk=experiment_id)
    return access.views_for(user).filter(experiment=experiment).order_by("-id")


@router.post("/experiments/{experiment_id}/views", response=answers(201, ViewOut))
@idempotent
def add_view(request: HttpRequest, experiment_id: int, body: ViewIn) -> Status[ViewOut]:
    """Save an address under a name, for yourself or for the team."""
    experiments = access.experiments_for(reader(request))
    experiment = access.found_or_404(experiments, pk=experiment_id)
    user = writer(request)
    if body.for_team:
        access.check_can_steer(user, experiment.team)
    view = save_view(
        experiment,
        body.page,
        body.name,
        body.query,
        user=user,
        for_team=body.for_team,
    )
    view.refresh_from_db()
    return Status(201, ViewOut.of(view))


@router.patch("/views/{view_id}", response=answers(200, ViewOut))
def edit_view(request: HttpRequest, view_id: int, body: ViewChangeIn) -> ViewOut:
    """Rename a view, or make it keep another address."""
    view = _changeable(request, view_id)
    change_view(view, user=writer(request), name=body.name, query=body.query)
    view.refresh_from_db()
    return ViewOut.of(view)


@router.delete("/views/{view_id}", response=answers(204, None))
def remove_view(request: HttpRequest, view_id: int) -> Status[None]:
    """Delete a view. What it shows stays."""
    delete_view(_changeable(request, view_id), user=writer(request))
    return Status(204, None)


def _changeable(request: HttpRequest, view_id: int) -> SavedView:
    view = access.found_or_404(access.views_for(reader(request)), pk=view_id)
    user = writer(request)
    if view.owner_id is None:
        access.check_can_steer(user, view.experiment.team)
    return view
