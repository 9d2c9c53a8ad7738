"""The audit log, for admins of a team and of the site."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema

from experiments import access
from experiments.api.auth import reader
from experiments.api.errors import WITHOUT_NUL, ApiError
from experiments.api.pagination import paginate
from experiments.api.schemas import answers
from experiments.audit.export import event_row
from experiments.audit.selection import EventFilter
from experiments.models import Event

router = Router(tags=["events"])
Text = Annotated[str, Query(pattern=WITHOUT_NUL)]


class EventOut(Schema):
    """Names are those of that moment; ``via`` says from where: browser, token NAME,
    command line, Django admin, worker or sweepsite."""

    id: int
    time: str
    who: str
    what: str
    kind: str
    object: str
    team: str
    message: str
    before: dict[str, Any]
    after: dict[str, Any]
    via: str
    address: str
    request: str
    sweep_id: int | None
    trial_id: int | None


def _rows(page: Sequence[Event]) -> list[EventOut]:
    return [EventOut(**event_row(event)) for event in page]


@router.get("/events", response=answers(200, list[EventOut]))
@paginate(rows=_rows)
def list_events(
    request: HttpRequest,
    who: Text = "",
    what: Text = "",
    object: Text = "",
    via: Text = "",
    q: Text = "",
    group: Text = "",
    first: Annotated[str, Query(alias="from", description="A day, in UTC.")] = "",
    last: Annotated[str, Query(alias="to", description="A day, in UTC.")] = "",
) -> QuerySet[Event]:
    """The newest first. ``group`` is access, deletions or itself."""
    given = {"who": who, "what": what, "object": object, "via": via, "q": q}
    try:
        wanted = EventFilter.read(given | {"group": group, "from": first, "to": last})
    except ValueError as error:
        raise ApiError(422, "invalid", str(error)) from error
    return wanted.rows(access.audit_for(reader(request))).order_by("-id")
