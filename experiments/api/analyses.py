"""What a sweep's trials say: importance, the data of the charts, suggestions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field

from experiments.api.auth import readable_sweep, reader, writer
from experiments.api.errors import WITHOUT_NUL, ClosedSchema, invalid
from experiments.api.schemas import answers
from experiments.db.clock import database_now
from experiments.sweeps.advice import advice_of, dismiss, not_dismissed
from experiments.sweeps.analyses import (
    Answer,
    factors_of,
    importance_answer,
    surface_answer,
)
from experiments.sweeps.columns import (
    SweepColumns,
    chosen_columns,
    metric_choices,
    sweep_columns,
)
from experiments.sweeps.timeline import ends_answer, timeline_answer
from experiments.sweeps.value_charts import edf_answer, pareto_answer

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


# --- charts -------------------------------------------------------------------------


class ChartOut(Schema):
    """Other fields are those that the chart of that name draws. Null: no value."""

    model_config = ConfigDict(extra="allow")

    ready: Annotated[bool, Field(description="false: `sentence` says what it needs")]
    sentence: str


CHARTS: Mapping[str, Callable[[SweepColumns], Answer]] = {
    "pareto": pareto_answer,
    "distribution": edf_answer,
    "ends": ends_answer,
    "timeline": lambda columns: timeline_answer(columns.sweep, database_now()),
}
# The parameters of an address that a chart takes.
USED: Mapping[str, frozenset[str]] = {
    "pareto": frozenset({"metric"}),
    "distribution": frozenset({"metric"}),
    "ends": frozenset(),
    "timeline": frozenset(),
    "surface": frozenset({"metric", "x", "y"}),
}
Name = Annotated[str, Query(max_length=400, pattern=WITHOUT_NUL)]


@router.get("/sweeps/{sweep_id}/charts/{chart}", response=answers(200, ChartOut))
def chart(
    request: HttpRequest,
    sweep_id: int,
    chart: Literal["pareto", "distribution", "ends", "timeline", "surface"],
    metric: Name = "",
    x: Name = "",
    y: Name = "",
) -> HttpResponse:
    """What a chart draws: `pareto` of duration and value, the `distribution` of values,
    how trials `ends` over time, the `timeline` of slots, or the value's `surface` over
    the parameters `x` and `y`, else the two that matter most.

    `metric`, such as `loss.min`, is drawn in place of the primary metric.
    """
    sweep = readable_sweep(request, sweep_id)
    given = {"metric": metric, "x": x, "y": y}
    for name, value in given.items():
        if value and name not in USED[chart]:
            raise invalid(name, f"The chart {chart} does not use {name}.")
    _check_known("metric", metric, metric_choices(sweep) if metric else ())
    columns = chosen_columns(sweep, metric)
    for name, value in (("x", x), ("y", y)):
        _check_known(name, value, list(factors_of(columns)))
    draw = CHARTS.get(chart)
    found = draw(columns) if draw else surface_answer(columns, x, y)
    # NaN becomes null.
    body = msgspec.json.encode(found)
    return HttpResponse(body, content_type="application/json")


def _check_known(field: str, value: str, known: Sequence[str]) -> None:
    if value and value not in known:
        allowed = f"Allowed are {', '.join(known[:20])}." if known else "It has none."
        raise invalid(field, f"This sweep has no {field} {value!r}. {allowed}")


# --- suggestions --------------------------------------------------------------------


class AdviceOut(Schema):
    key: Annotated[str, Field(description="to dismiss it")]
    title: str
    reason: str
    action: Annotated[str, Field(description="what to do, in words")]
    bounds: Annotated[
        str, Field(description="a parameter's new range, NAME:LOW..HIGH; may be empty")
    ]


class AdviceListOut(Schema):
    advice: Annotated[list[AdviceOut], Field(description="the most useful first")]


class DismissIn(ClosedSchema):
    keys: Annotated[
        list[Annotated[str, Field(max_length=400, pattern=WITHOUT_NUL)]],
        Field(min_length=1, max_length=100),
    ]


@router.get("/sweeps/{sweep_id}/advice", response=answers(200, AdviceListOut))
def get_advice(request: HttpRequest, sweep_id: int) -> AdviceListOut:
    """Suggestions, without those that you have dismissed."""
    sweep = readable_sweep(request, sweep_id)
    found = not_dismissed(sweep, reader(request), advice_of(sweep))
    return AdviceListOut(advice=[AdviceOut.from_orm(each) for each in found])


@router.post("/sweeps/{sweep_id}/advice/dismiss", response=answers(204, None))
def dismiss_advice(
    request: HttpRequest, sweep_id: int, body: DismissIn
) -> Status[None]:
    """Suggest these no more to you, for this sweep. Other keys are ignored."""
    sweep, user = readable_sweep(request, sweep_id), writer(request)
    known = {each.key for each in advice_of(sweep)}
    dismiss(sweep, user, sorted(known & set(body.keys)))
    return Status(204, None)
