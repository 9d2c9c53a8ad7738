"""The quick way for reports: most requests of a site are some metric points.

It answers only requests without any mistake. The API's own view gets all others: its
schema decides, and explains every error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import msgspec
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

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


class ReportMiddleware:
    """After SecurityMiddleware and AnswerMiddleware, whose headers its answers need."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._known: LruCache[Sender, int] = LruCache(MAX_KNOWN)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method == "POST" and (path := PATH.fullmatch(request.path_info)):
            token = request.META.get("HTTP_AUTHORIZATION", "")
            if token.startswith(BEARER):
                digest = token_digest(token[len(BEARER) :])
                number = int(path[2])
                sender = Sender(path[1].startswith("v1"), number, digest)
                answer = self._answer(request, sender)
                if answer is not None:
                    return answer
        return self.get_response(request)

    def _answer(self, request: HttpRequest, sender: Sender) -> HttpResponse | None:
        """None: it is for the view."""
        # Raises an error for a host that is not allowed.
        request.get_host()
        attempt = self._known.get(sender) or self._found(sender)
        if attempt is None:
            return None
        batch = _batch(request, attempt, sender)
        if batch is None:
            return None
        kind = "TrialAuth" if sender.is_trial else "RunnerAuth"
        rate = settings.WORKER_REQUESTS_PER_SECOND
        if rate_limits.requests.take(f"{kind} {attempt}", rate):
            return None
        try:
            return _response(ingest.write(batch))
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
    try:
        body = request.body
    except RequestDataTooBig:
        return None
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


def _response(reply: Reply) -> HttpResponse:
    body = ReplyOut.of(reply).dict(exclude_unset=True)
    content = msgspec.json.encode(body)
    # The middleware after this one would set these.
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(content)),
        "X-Frame-Options": settings.X_FRAME_OPTIONS,
    }
    return HttpResponse(content, headers=headers)
