"""The report of a sweep, and links that show it without a login."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import Field

from experiments import access
from experiments.api.auth import readable_sweep, reader, steerable_sweep, writer
from experiments.api.errors import WITHOUT_NUL, ApiError, ClosedSchema
from experiments.api.idempotency import idempotent
from experiments.api.pagination import PageOut
from experiments.api.schemas import answers
from experiments.models import ReportLink
from experiments.reports.file import report_headers, report_html
from experiments.reports.links import (
    DEFAULT_DAYS,
    USUAL_PARTS,
    PartName,
    ReportLinkRefused,
    make_link,
    open_links,
    revoke_link,
)
from experiments.tracking.downloads import note_download

router = Router(tags=["reports"])

HTML: dict[str, Any] = {
    "responses": {
        200: {
            "description": "One HTML file that loads nothing.",
            "content": {"text/html": {"schema": {"type": "string"}}},
        }
    }
}


@router.get(
    "/sweeps/{sweep_id}/report", response=answers(200, None), openapi_extra=HTML
)
def report(
    request: HttpRequest,
    sweep_id: int,
    part: Annotated[
        list[PartName], Query(description="what it also shows; may be repeated")
    ] = USUAL_PARTS,
) -> HttpResponse:
    """The report as one HTML file: result, best configuration, charts and some parts.

    Without names of people, hosts and pools, files, environment variables and logs.
    """
    sweep = readable_sweep(request, sweep_id)
    note_download(request, "report downloaded", actor=reader(request), about=sweep)
    headers = report_headers(sweep.label, as_download=True)
    return HttpResponse(report_html(sweep, part), headers=headers)


class ReportLinkIn(ClosedSchema):
    meant_for: Annotated[
        str,
        Field(
            max_length=100,
            pattern=WITHOUT_NUL,
            description="a name, for the list and the audit log",
        ),
    ] = ""
    days: Annotated[
        int,
        Field(ge=1, description="at most what the site allows, normally 90"),
    ] = DEFAULT_DAYS
    parts: list[PartName] = USUAL_PARTS


class ReportLinkOut(Schema):
    id: int
    meant_for: str
    parts: list[str]
    created_by: str | None
    created_at: datetime
    expires_at: datetime
    opened_at: Annotated[
        datetime | None, Field(description="the last time, to about an hour")
    ]

    @classmethod
    def fields_of(cls, link: ReportLink) -> dict[str, Any]:
        by = link.created_by.username if link.created_by else None
        return {**vars(link), "created_by": by}


class NewReportLinkOut(ReportLinkOut):
    link: Annotated[str, Field(description="only this answer has it")]


class ReportLinksOut(PageOut):
    items: list[ReportLinkOut]


@router.get("/sweeps/{sweep_id}/report-links", response=answers(200, ReportLinksOut))
def list_links(request: HttpRequest, sweep_id: int) -> dict[str, Any]:
    """The links that work, the newest first, all on one page; for people who may run
    sweeps in the team."""
    sweep = readable_sweep(request, sweep_id)
    access.check_can_steer(reader(request), sweep.experiment.team)
    return {"items": [ReportLinkOut.fields_of(link) for link in open_links(sweep)]}


@router.post("/sweeps/{sweep_id}/report-links", response=answers(201, NewReportLinkOut))
@idempotent
def add_link(
    request: HttpRequest, sweep_id: int, body: ReportLinkIn
) -> Status[dict[str, Any]]:
    """Make a link: anyone who has it can read the report without a login, and
    nothing else, until it expires, is revoked, or you leave the team."""
    sweep = steerable_sweep(request, sweep_id)
    try:
        made, link = make_link(sweep, actor=writer(request), **body.dict())
    except ReportLinkRefused as refusal:
        code = "bad_days" if settings.REPORT_LINK_DAYS else "switched_off"
        raise ApiError(422, code, str(refusal)) from None
    return Status(201, {**ReportLinkOut.fields_of(made), "link": link})


@router.delete(
    "/sweeps/{sweep_id}/report-links/{report_link_id}", response=answers(204, None)
)
def remove_link(
    request: HttpRequest, sweep_id: int, report_link_id: int
) -> Status[None]:
    """Revoke a link at once."""
    sweep = steerable_sweep(request, sweep_id)
    link: ReportLink = access.found_or_404(open_links(sweep), pk=report_link_id)
    revoke_link(link, actor=writer(request))
    return Status(204, None)
