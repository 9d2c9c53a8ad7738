"""The quick way for metrics: most requests of MLflow's clients are a few points.

It answers only requests without any mistake. The view gets all others, and explains
what it refuses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from django.http import HttpRequest

from experiments.api import rate_limits
from experiments.lru_cache import LruCache
from experiments.mlflow.batches import LogBatch, read_log_batch, read_log_metric
from experiments.mlflow.callers import (
    AnyCaller,
    caller_of_secret,
    changeable_run,
    limit_of,
    secret_of,
)
from experiments.mlflow.errors import MlflowError
from experiments.mlflow.log import points_of
from experiments.tokens import token_digest
from experiments.tracking import ingest

READERS: Mapping[str, Callable[[bytes], LogBatch]] = {
    "/api/2.0/mlflow/runs/log-metric": read_log_metric,
    "/api/2.0/mlflow/runs/log-batch": read_log_batch,
}
MAX_KNOWN = 20_000
# A token that is revoked, or a run that is deleted, counts for this many seconds more.
KNOWN_FOR = 2.0


class KnownRun(NamedTuple):
    """A run to which a token may log, as it was looked up."""

    attempt: int
    is_heartbeat: bool
    limit: tuple[str, int]
    until: float


class QuickLog:
    """See sweepsite/quick_answers.py."""

    content_type = "application/json"

    def __init__(self) -> None:
        self._known: LruCache[tuple[str, str], KnownRun] = LruCache(MAX_KNOWN)

    def view(self, path: str) -> Callable[[HttpRequest], bytes | None] | None:
        """What answers requests for a path; its None is for the protocol's own view."""
        read = READERS.get(path)
        return read and partial(self._log, read)

    def _log(
        self, read: Callable[[bytes], LogBatch], request: HttpRequest
    ) -> bytes | None:
        try:
            batch = read(request.body)
            if batch.params or batch.tags or batch.of_models or not batch.points:
                return None
            run = self._run(request, batch)
            if rate_limits.requests.take(*run.limit):
                return None
            ingest.write(
                ingest.ReportBatch(
                    run.attempt, batch.points, is_heartbeat=run.is_heartbeat
                )
            )
        except (MlflowError, ingest.AttemptNotRunning):
            return None
        return b"{}"

    def _run(self, request: HttpRequest, batch: LogBatch) -> KnownRun:
        """Raises MlflowError if the request's token may not log to it."""
        secret = secret_of(request)
        key, now = (token_digest(secret), batch.run_id), time.monotonic()
        known = self._known.get(key)
        if known is None or known.until < now:
            known = _looked_up(
                caller_of_secret(request, secret), batch, now + KNOWN_FOR
            )
            self._known.put(key, known)
        return known


def _looked_up(caller: AnyCaller, batch: LogBatch, until: float) -> KnownRun:
    points = points_of(changeable_run(caller, batch.run_id), batch)
    limit = limit_of(caller, logs=True)
    return KnownRun(points.attempt, points.is_heartbeat, limit, until)
