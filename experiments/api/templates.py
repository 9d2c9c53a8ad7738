"""A team's templates: named sweep documents to start from."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from experiments import access
from experiments.api.auth import chosen_team, reader, writer
from experiments.api.errors import WITHOUT_NUL, ClosedSchema
from experiments.api.idempotency import idempotent
from experiments.api.pagination import paginate
from experiments.api.schemas import answers
from experiments.api.uploads import TeamSlug
from experiments.models import SweepTemplate
from experiments.search.document.entry import read_entry
from experiments.sweeps.templates import delete_template, rename_template, save_template

router = Router(tags=["templates"])


class TemplateIn(ClosedSchema):
    name: Annotated[str, Field(pattern=WITHOUT_NUL)]
    document: Annotated[
        dict[str, Any], Field(description="a sweep document, which is checked")
    ]
    replace: Annotated[
        bool, Field(description="a template of the same name; else it is refused")
    ] = False


class TemplateOut(Schema):
    id: int
    team: Annotated[str, Field(description="its slug")]
    name: str
    document: dict[str, Any]
    saved_by: str | None
    saved_at: datetime

    @classmethod
    def of(cls, template: SweepTemplate) -> TemplateOut:
        by = template.created_by
        return cls(
            id=template.pk,
            team=template.team.slug,
            name=template.name,
            document=template.document,
            saved_by=by.username if by else None,
            saved_at=template.updated_at,
        )


def _rows(page: list[SweepTemplate]) -> list[TemplateOut]:
    return [TemplateOut.of(template) for template in page]


@router.get("/templates", response=answers(200, list[TemplateOut]))
@paginate(rows=_rows)
def list_templates(
    request: HttpRequest,
    team: Annotated[
        str | None, Query(pattern=WITHOUT_NUL, description="Slug of a team.")
    ] = None,
) -> QuerySet[SweepTemplate]:
    """The templates of your teams, the newest first."""
    mine = access.templates_for(reader(request)).order_by("-id")
    return mine.filter(team__slug=team) if team is not None else mine


@router.post("/templates", response=answers(201, TemplateOut))
@idempotent
def add_template(
    request: HttpRequest, body: TemplateIn, team: TeamSlug = None
) -> Status[TemplateOut]:
    """Save a document under a name, or replace the template of that name."""
    owner, user = chosen_team(request, team), writer(request)
    read_entry(body.document)
    template = save_template(
        owner, body.name, body.document, user=user, replace=body.replace
    )
    return Status(201, TemplateOut.of(template))


class RenameIn(ClosedSchema):
    name: Annotated[str, Field(pattern=WITHOUT_NUL)]


@router.patch("/templates/{template_id}", response=answers(200, TemplateOut))
def change_template(
    request: HttpRequest, template_id: int, body: RenameIn
) -> TemplateOut:
    """Give a template another name."""
    template = _steerable(request, template_id)
    rename_template(template, body.name, user=reader(request))
    return TemplateOut.of(_steerable(request, template_id))


def _steerable(request: HttpRequest, template_id: int) -> SweepTemplate:
    templates = access.templates_for(reader(request))
    template: SweepTemplate = access.found_or_404(templates, pk=template_id)
    access.check_can_steer(writer(request), template.team)
    return template


@router.delete("/templates/{template_id}", response=answers(204, None))
def remove_template(request: HttpRequest, template_id: int) -> Status[None]:
    """Delete a template. Sweeps that were made from it stay."""
    delete_template(_steerable(request, template_id), user=reader(request))
    return Status(204, None)
