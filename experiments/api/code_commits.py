"""Which commit a sweep's trials run, as its first runner tells it."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from experiments import lifecycle
from experiments.api.auth import running_attempt
from experiments.api.errors import ApiError

router = Router()


class CommitIn(Schema):
    commit: Annotated[str, Field(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")]


@router.post("/attempts/{attempt_id}/commit")
def settle(request: HttpRequest, attempt_id: int, body: CommitIn) -> dict[str, str]:
    """Offer the commit that the sweep's git reference stands for now; the answer is
    the one that counts for every trial of the sweep."""
    sweep = running_attempt(request).trial.sweep
    if sweep is None or "git" not in (sweep.definition["trial"].get("code") or {}):
        raise ApiError(404, "not_found", "This attempt's code is not from git.")
    return {"commit": lifecycle.settle_commit(sweep, body.commit)}
