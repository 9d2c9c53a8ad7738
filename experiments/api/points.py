"""Metric points on the wire: their schema, and the reply that may say stop."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import BeforeValidator, Field

from experiments.api.bodies import Whole
from experiments.ingest import Point, Reply

MOST_POINTS = 1_000
MOST_STEP = 2**63 - 1


def _number(value: object) -> object:
    """JSON has no NaN; whole numbers too large for a float become infinite."""
    if isinstance(value, bool) or value is None:
        raise ValueError("must be a number, or NaN, Infinity or -Infinity as text")
    if isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, str):
        names = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
        if value not in names:
            raise ValueError(
                f"is {value!r}; allowed are numbers, NaN, Infinity and -Infinity"
            )
        return names[value]
    return value


class PointIn(Schema):
    name: Annotated[str, Field(min_length=1, max_length=250, pattern=r"^[^\x00]+$")]
    step: Annotated[Whole, Field(ge=-MOST_STEP, le=MOST_STEP)]
    value: Annotated[float, Field(allow_inf_nan=True), BeforeValidator(_number)]
    time: float | None = Field(None, description="seconds since 1970, for display")

    def point(self) -> Point:
        return Point(self.name, self.step, self.value, _moment(self.time))


def _moment(seconds: float | None) -> datetime | None:
    """A worker's clock is only shown, so a nonsensical time is left out."""
    if seconds is None or not 0 <= seconds < 32_503_680_000:
        return None
    return datetime.fromtimestamp(seconds, UTC)


class PointsIn(Schema):
    points: Annotated[list[PointIn], Field(max_length=MOST_POINTS)]


class ReplyOut(Schema):
    stop: bool
    reason: str

    @classmethod
    def of(cls, reply: Reply) -> ReplyOut:
        return cls(stop=reply.stop, reason=reply.reason)


def json_number(value: float | None) -> float | Literal["Infinity", "-Infinity"] | None:
    """A stored value for JSON, which has no infinities."""
    if value is None or math.isfinite(value):
        return value
    return "Infinity" if value > 0 else "-Infinity"
