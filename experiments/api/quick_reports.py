"""The quick way for reports: most requests of a site are some metric points.

It answers only requests without any mistake. The API's own view gets all others: its
schema decides, and explains every error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, NamedTuple

import msgspec
from django.conf import settings
from django.http import HttpRequest

from experiments.api import rate_limits
from experiments.api.auth import TRAINING
from experiments.api.points import (
    MAX_KEY_LENGTH,
    MAX_NAME_LENGTH,
    MAX_POINTS,
    MAX_STEP,
    MAX_TIME,
    ReplyOut,
)
from experiments.lru_cache import LruCache
from experiments.models import Attempt
from experiments.tokens import token_digest
from experiments.tracking import ingest
from experiments.tracking.ingest import Reply, ReportBatch, Sent

PATH = re.compile(r"/api/(v1/trials|v1/runs|worker/v1/attempts)/(\d{1,18})/metrics")
BEARER = "Bearer "
# What other programs write for halves of surrogate pairs, and for NUL.
ESCAPES = (b"\\ud", b"\\uD", b"\\u0000")
NON_FINITE: Mapping[str, float] = {
    "NaN": math.nan,
    "Infinity": math.inf,
    "-Infinity": -math.inf,
}
# Tokens that were looked up. The attempt's row is asked again with each report.
MAX_KNOWN = 20_000


class _Point(msgspec.Struct, gc=False):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
    step: Annotated[int, msgspec.Meta(ge=-MAX_STEP, le=MAX_STEP)]
    value: float | str
    time: float | None = None


class _Body(msgspec.Struct):
    points: Annotated[list[_Point], msgspec.Meta(max_length=MAX_POINTS)]
    batch: Annotated[str, msgspec.Meta(max_length=MAX_KEY_LENGTH)] = ""
    collected: bool = False


DECODER = msgspec.json.Decoder(_Body)


class Sender(NamedTuple):
    """A token for the trial, run or attempt in the path."""

    is_trial: bool
    number: int
    digest: str


class QuickReports:
    """See sweepsite/quick_answers.py."""

    content_type = "application/json; charset=utf-8"

    def __init__(self) -> None:
        self._known: LruCache[Sender, int] = LruCache(MAX_KNOWN)

    def view(self, path: str) -> Callable[[HttpRequest], bytes | None] | None:
        """What answers requests for a path; its None is for the API's own view."""
        found = PATH.fullmatch(path)
        return found and partial(
            self._answer, is_trial=found[1].startswith("v1"), number=int(found[2])
        )

    def _answer(
        self, request: HttpRequest, *, is_trial: bool, number: int
    ) -> bytes | None:
        token = request.META.get("HTTP_AUTHORIZATION", "")
        if not token.startswith(BEARER):
            return None
        sender = Sender(is_trial, number, token_digest(token[len(BEARER) :]))
        attempt = self._known.get(sender) or self._found(sender)
        batch = attempt and _batch(request, attempt, sender)
        if not batch:
            return None
        kind = "TrialAuth" if sender.is_trial else "RunnerAuth"
        rate = settings.WORKER_REQUESTS_PER_SECOND
        if rate_limits.requests.take(f"{kind} {attempt}", rate):
            return None
        try:
            return _reply_json(ingest.write(batch))
        except ingest.AttemptNotRunning:
            return None

    def _found(self, sender: Sender) -> int | None:
        """The attempt that the token is for."""
        if sender.is_trial:
            found = TRAINING.first(trial=sender.number, digest=sender.digest)
        else:
            found = Attempt.objects.filter(
                pk=sender.number, runner_token_digest=sender.digest
            ).first()
        if found is None:
            return None
        self._known.put(sender, found.pk)
        return int(found.pk)


def _batch(request: HttpRequest, attempt: int, sender: Sender) -> ReportBatch | None:
    body = request.body
    if any(escape in body for escape in ESCAPES):
        return None
    try:
        read = DECODER.decode(body)
        sent = [
            Sent(p.name, p.step, _value(p.value), _moment(p.time)) for p in read.points
        ]
    except (msgspec.MsgspecError, KeyError, RecursionError):
        return None
    return ReportBatch(
        attempt,
        sent,
        is_heartbeat=sender.is_trial,
        key=read.batch,
        collected=read.collected and not sender.is_trial,
        digest=sender.digest,
    )


def _value(value: float | str) -> float:
    return NON_FINITE[value] if isinstance(value, str) else value


def _moment(seconds: float | None) -> int | None:
    """Microseconds, rounded as datetime.fromtimestamp does."""
    if seconds is None or not 0 <= seconds < MAX_TIME:
        return None
    fraction, whole = math.modf(seconds)
    return int(whole) * 1_000_000 + round(fraction * 1e6)


def _reply_json(reply: Reply) -> bytes:
    return msgspec.json.encode(ReplyOut.of(reply).dict(exclude_unset=True))
