"""What a sweep's trials say about its parameters."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from experiments.api.auth import readable_sweep
from experiments.api.schemas import answers
from experiments.sweeps.analyses import importance_answer
from experiments.sweeps.columns import sweep_columns

router = Router(tags=["sweeps"])


class ParameterShareOut(Schema):
    name: str
    share: Annotated[float, Field(description="of 1 for all parameters together")]
    told_apart: Annotated[bool, Field(description="whether it is more than chance")]
    trials: int


class PairShareOut(Schema):
    x: str
    y: str
    share: Annotated[float, Field(description="beyond what each does alone")]
    told_apart: bool


class ImportanceOut(Schema):
    ready: Annotated[bool, Field(description="false: `sentence` says what it needs")]
    sentence: str
    trials: Annotated[int, Field(description="with a value")]
    method: str = ""
    question: Annotated[str, Field(description="the question that it answers")] = ""
    parameters: Annotated[list[ParameterShareOut], Field(alias="rows")] = []
    pairs: list[PairShareOut] = []
    pairs_note: str = ""


@router.get(
    "/sweeps/{sweep_id}/importance",
    response=answers(200, ImportanceOut),
    by_alias=False,
)
def importance(
    request: HttpRequest,
    sweep_id: int,
    over_range: Annotated[
        bool,
        Query(description="Over the whole range instead of among the trials."),
    ] = False,
) -> dict[str, Any]:
    """Which parameters matter, the most important first, by PED-ANOVA."""
    found = sweep_columns(readable_sweep(request, sweep_id))
    return importance_answer(found, over_range=over_range)
