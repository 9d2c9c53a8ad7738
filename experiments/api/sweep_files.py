"""The document, code and history of a sweep; what a trial ran with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.db import transaction
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from experiments import access, storage
from experiments.api.auth import (
    readable_sweep,
    readable_trial,
    reader,
    steerable_sweep,
)
from experiments.api.documents import (
    DOCUMENT_BODY,
    FormatName,
    NoteOut,
    PartName,
    read_body,
)
from experiments.api.outputs import binary
from experiments.api.pagination import paginate
from experiments.api.schemas import SweepOut, answers, sweep_out
from experiments.models import Event
from experiments.search.formats import definition_of
from experiments.sweeps.editing import replace_draft
from experiments.sweeps.export import document_text
from experiments.sweeps.progress import progress_of
from experiments.tracking.downloads import code_answer
from experiments.tracking.reproduction import reproduction_of

router = Router(tags=["sweeps"])


class DocumentOut(Schema):
    format: str
    text: Annotated[str, Field(description="the file's content")]
    notes: Annotated[
        list[NoteOut], Field(description="what the other system does not have")
    ]


@router.get("/sweeps/{sweep_id}/document", response=answers(200, DocumentOut))
def get_document(
    request: HttpRequest,
    sweep_id: int,
    format: Annotated[
        Literal["yaml", "json", "azure", "wandb", "katib", "optuna"], Query()
    ] = "yaml",
) -> DocumentOut:
    """The sweep's document as a text, or for Azure ML, W&B, Katib or Optuna."""
    text, notes = document_text(readable_sweep(request, sweep_id), format)
    rows = [NoteOut.from_orm(note) for note in notes]
    return DocumentOut(format=format, text=text, notes=rows)


@router.put(
    "/sweeps/{sweep_id}/document",
    response=answers(200, SweepOut),
    openapi_extra=DOCUMENT_BODY,
)
def replace_document(
    request: HttpRequest,
    sweep_id: int,
    format_name: FormatName = "",
    part: PartName = "",
) -> SweepOut:
    """Give a draft another document, as JSON or YAML, or of another system."""
    sweep, user = steerable_sweep(request, sweep_id), reader(request)
    definition = definition_of(read_body(request, format=format_name, part=part))
    with transaction.atomic():
        changed = replace_draft(sweep, definition, actor=user, seen="", token="")
    return sweep_out(changed, progress_of([changed])[changed.pk])


@router.get(
    "/sweeps/{sweep_id}/code",
    response=answers(200, None),
    openapi_extra=binary("application/zip", "The files that were uploaded."),
)
def get_code(request: HttpRequest, sweep_id: int) -> FileResponse:
    """The uploaded code as a zip, for people of its team."""
    sweep, user = readable_sweep(request, sweep_id), reader(request)
    code = access.code_for(user).filter(sweeps=sweep).first()
    if code is None or not storage.code_path(code.digest).exists():
        raise Http404("This sweep has no uploaded code that you may see.")
    return code_answer(request, sweep, code, actor=user)


class HistoryOut(Schema):
    """What happened to the sweep, and who did it."""

    id: int
    time: datetime
    who: str
    what: str
    message: str
    trial: Annotated[int | None, Field(description="the trial's id")]

    @classmethod
    def of(cls, event: Event) -> HistoryOut:
        return cls(
            id=event.pk,
            time=event.created_at,
            who=event.actor_name,
            what=event.verb,
            message=event.message,
            trial=event.trial_id,
        )


def _history_rows(page: list[Event]) -> list[HistoryOut]:
    return list(map(HistoryOut.of, page))


@router.get("/sweeps/{sweep_id}/events", response=answers(200, list[HistoryOut]))
@paginate(rows=_history_rows)
def list_history(request: HttpRequest, sweep_id: int) -> QuerySet[Event]:
    """The newest first; empty for people outside its team."""
    sweep = readable_sweep(request, sweep_id)
    rows = access.events_for(reader(request)).filter(sweep=sweep)
    return rows.order_by("-id")


class EnvironmentOut(Schema):
    environment: Annotated[
        dict[str, Any],
        Field(
            description="command, variables (null: a secret), python, packages, host,"
            " gpus, repository, commit, seed and more, as far as known"
        ),
    ]
    requirements: Annotated[str, Field(description="its packages, for pip")]
    command: Annotated[
        str,
        Field(
            description='for a POSIX shell, with its variables; `NAME="$NAME"` is a'
            " secret of yours; empty: not known"
        ),
    ]
    exports: Annotated[str, Field(description="the variables alone, a line each")]


@router.get("/trials/{trial_id}/environment", response=answers(200, EnvironmentOut))
def get_environment(request: HttpRequest, trial_id: int) -> EnvironmentOut:
    """What is needed to run a trial or run again."""
    trial = readable_trial(request, trial_id)
    found = reproduction_of(trial)
    texts = found.texts()
    return EnvironmentOut(
        environment=dict(found.document),
        requirements="".join(f"{line}\n" for line in found.packages),
        command=texts["Shell"],
        exports=texts["Environment"],
    )
