"""Metric points as programs report them.

A point that cannot be stored is refused alone: the others of its batch are stored, and
the answer names it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from ninja import Schema
from pydantic import BeforeValidator, Field, ValidationError, WrapValidator

from experiments.api.errors import Whole
from experiments.models.missing import RefusedName, RefusedPoint
from experiments.tracking.ingest import Point, Reply

MAX_POINTS = 1_000
MAX_STEP = 2**63 - 1
# The year 3000, in seconds since 1970.
MAX_TIME = 32_503_680_000
MAX_NAME_LENGTH, MAX_SHOWN = 250, 60
MAX_KEY_LENGTH = 64
ALLOWED = {
    "name": f"texts of 1 to {MAX_NAME_LENGTH} characters, none of them NUL",
    "step": f"whole numbers from -{MAX_STEP:,} to {MAX_STEP:,}",
    "value": "numbers, and NaN, Infinity and -Infinity as text",
}


def _number(value: object) -> object:
    """JSON has no NaN; whole numbers too large for a float become infinite."""
    if isinstance(value, bool) or value is None:
        raise ValueError("not a number")
    if isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, str):
        names = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
        if value not in names:
            raise ValueError("not a number")
        return names[value]
    return value


def _moment(seconds: object) -> datetime | None:
    """A worker's clock is only shown, so a nonsensical time is left out."""
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not 0 <= seconds < MAX_TIME:  # type: ignore[operator]
        return None
    return datetime.fromtimestamp(seconds, UTC)  # type: ignore[arg-type]


class PointIn(Schema):
    name: Annotated[
        str, Field(min_length=1, max_length=MAX_NAME_LENGTH, pattern=r"^[^\x00]+$")
    ]
    step: Annotated[Whole, Field(ge=-MAX_STEP, le=MAX_STEP)]
    value: Annotated[float, Field(allow_inf_nan=True), BeforeValidator(_number)]
    time: Annotated[
        Any, Field(description="seconds since 1970, for display; else ignored")
    ] = None


def _read(sent: object, read: Callable[[object], PointIn]) -> Point | RefusedPoint:
    try:
        point = read(sent)
    except ValidationError as error:
        return _refused(sent, error)
    return Point(point.name, point.step, point.value, _moment(point.time))


def _refused(sent: object, error: ValidationError) -> RefusedPoint:
    """One sentence about the first field that is wrong, with what is allowed."""
    place = error.errors(include_url=False, include_input=False)[0]["loc"]
    if not isinstance(sent, dict) or not place:
        return RefusedPoint(
            _shown(sent), "", "it is not an object with name, step and value"
        )
    field, name = str(place[0]), sent.get("name", "")
    return RefusedPoint(
        name if isinstance(name, str) else _shown(name),
        field,
        f"{field} {_given(sent, field)}; allowed are {ALLOWED[field]}",
        repr([sent.get(part) for part in ("step", "time", "value")]),
    )


def _given(sent: dict[str, object], field: str) -> str:
    value = sent.get(field)
    if field not in sent:
        return "is missing"
    if field == "name" and isinstance(value, str) and len(value) > MAX_NAME_LENGTH:
        return f"has more than {MAX_NAME_LENGTH} characters"
    return f"is {_shown(value)}"


def _shown(value: object) -> str:
    return json.dumps(value)[:MAX_SHOWN]


class PointsIn(Schema):
    points: Annotated[
        list[Annotated[PointIn, WrapValidator(_read)]],
        Field(max_length=MAX_POINTS, description="One that is not valid is refused."),
    ]
    batch: Annotated[
        str,
        Field(
            max_length=MAX_KEY_LENGTH,
            description="a key of these points: the same key again stores nothing, and"
            " with it points without a time are told from those of other batches",
        ),
    ] = ""

    def split(self) -> tuple[list[Point], list[RefusedPoint]]:
        """The valid points, and the refused ones."""
        read: Sequence[Any] = self.points
        good = [each for each in read if isinstance(each, Point)]
        return good, [each for each in read if isinstance(each, RefusedPoint)]


class CollectedIn(PointsIn):
    collected: Annotated[
        bool, Field(description="by the runner, not reported by the script")
    ] = False


class RefusedOut(Schema):
    """Points of one name that were not stored."""

    name: Annotated[str, Field(description="cut after 100 characters")]
    points: int
    reason: str

    @classmethod
    def of(cls, refusals: Sequence[RefusedName]) -> list[RefusedOut]:
        return [cls(name=r.name, points=r.points, reason=r.reason) for r in refusals]


class ReplyOut(Schema):
    stop: bool
    reason: str
    refused: Annotated[
        list[RefusedOut],
        Field(description="left out if every point was stored"),
    ] = []
    reported: Annotated[
        list[str],
        Field(
            description="names of collected points that the script reports itself, so"
            " these were not stored; usually left out"
        ),
    ] = []

    @classmethod
    def of(cls, reply: Reply) -> ReplyOut:
        out = cls(stop=reply.stop, reason=reply.reason)
        if reply.refused:
            out.refused = RefusedOut.of(reply.refused)
        if reply.reported:
            out.reported = list(reply.reported)
        return out
