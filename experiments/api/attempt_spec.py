"""The specification of an attempt for its runner: command, environment, code."""

from __future__ import annotations

import json
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from experiments import lifecycle
from experiments.api.auth import running_attempt
from experiments.api.errors import ApiError
from experiments.lifecycle import Claim
from experiments.models import Attempt, Pool, Sweep, Trial
from experiments.search.document.command import render_command, value_text
from experiments.sweeps.checkpoints import checkpoint_for, note_resumed


def code_fields(sweep: Sweep, attempt: Attempt) -> dict[str, Any]:
    """The fields `code`, `python` and `requirements` of the specification."""
    template = sweep.definition["trial"]
    return {
        "code": _code(sweep, attempt),
        "python": template.get("python") or _python_of_pool(template, attempt),
        "requirements": template.get("requirements"),
    }


def _code(sweep: Sweep, attempt: Attempt) -> dict[str, Any] | None:
    if sweep.code is not None:
        digest = sweep.code.digest
        path = f"/api/worker/v1/attempts/{attempt.pk}/code/{digest}.zip"
        return {"digest": digest, "url": settings.SITE_URL + path}
    code = sweep.definition["trial"].get("code")
    if not isinstance(code, dict):
        return None
    allowed = [str(folder) for folder in _pool(attempt).folders]
    if "git" in code:
        commit = {"commit": sweep.code_commit} if sweep.code_commit else {}
        return {"git": {**code["git"], **commit}, "allowed": allowed}
    return {"folder": code["folder"], "allowed": allowed} if "folder" in code else None


def _pool(attempt: Attempt) -> Pool:
    if attempt.pool is None:
        raise ValueError(f"attempt {attempt.pk} is of a run, which no worker starts")
    return attempt.pool


def _python_of_pool(template: dict[str, Any], attempt: Attempt) -> str:
    """The pool's interpreter, unless the sweep chooses one by its own PATH."""
    has_path = "PATH" in (template.get("environment_variables") or {})
    return "" if has_path else _pool(attempt).python


PROTOCOL = 2


def attempt_spec(claim: Claim) -> dict[str, Any]:
    """The AttemptSpec, with both of the attempt's secrets in it."""
    attempt, trial = claim.attempt, claim.attempt.trial
    sweep = trial.sweep
    if sweep is None:
        raise ValueError(f"trial {trial.pk} has no sweep and so no command to run")
    template = sweep.definition["trial"]
    return {
        "attempt": attempt.pk,
        "trial": trial.pk,
        "number": trial.number,
        "name": trial.label,
        "protocol": PROTOCOL,
        "argv": render_command(
            template["command"], trial.params, sweep.definition.get("inputs", {})
        ),
        "environment": _environment(trial, sweep, token=claim.trial_token.secret),
        **code_fields(sweep, attempt),
        "gpus": attempt.gpus,
        "folders": [str(folder) for folder in _pool(attempt).folders],
        "resume_from": _resume_from(attempt),
        "limits": _limits(sweep),
        "collectors": {
            "primary_metric": sweep.primary_metric,
            "metrics_collector": sweep.definition.get("metrics_collector"),
        },
        "when_cut_off": sweep.when_cut_off,
        "outputs_limit_bytes": sweep.outputs_limit,
        "log_limit_bytes": settings.LOG_LIMIT_BYTES,
        "trial_timeout": sweep.trial_timeout,
        "grace": sweep.stop_grace,
        "heartbeat_seconds": settings.HEARTBEAT_SECONDS,
        "lease_seconds": settings.LEASE_SECONDS,
        "runner_token": claim.runner_token.secret,
        "trial_token": claim.trial_token.secret,
        "url": settings.SITE_URL,
    }


def _resume_from(attempt: Attempt) -> dict[str, Any] | None:
    """The outputs of an earlier attempt that this one begins with."""
    checkpoint = checkpoint_for(attempt)
    if checkpoint is None:
        return None
    note_resumed(attempt, checkpoint)
    below = f"/api/worker/v1/attempts/{attempt.pk}/resume"
    files = [
        {
            "path": file.path,
            "sha256": file.sha256,
            "size": file.size,
            "url": f"{settings.SITE_URL}{below}/{file.sha256}",
        }
        for file in checkpoint.files
    ]
    return {"attempt": checkpoint.attempt.n, "files": files}


def _limits(sweep: Sweep) -> dict[str, int]:
    """What one trial may take of its host, under the names that a runner knows."""
    given = sweep.definition.get("resources", {})
    names = {"memory": "memory_bytes", "open_files": "open_files"}
    return {key: int(given[name]) for name, key in names.items() if given.get(name)}


def _environment(trial: Trial, sweep: Sweep, *, token: str) -> dict[str, str]:
    """The sweep's own variables, and on top of them what every trial is promised."""
    given = sweep.definition["trial"].get("environment_variables") or {}
    return {
        **{name: str(value) for name, value in given.items()},
        **{f"AZUREML_SWEEP_{k}": value_text(v) for k, v in trial.params.items()},
        "SWEEPSITE_URL": settings.SITE_URL,
        "SWEEPSITE_TRIAL_ID": str(trial.pk),
        "SWEEPSITE_TOKEN": token,
        "SWEEPSITE_PARAMS": json.dumps(trial.params),
        "SWEEPSITE_PRIMARY_METRIC": sweep.primary_metric,
        "MLFLOW_TRACKING_URI": settings.SITE_URL,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": f"{trial.pk:032x}",
        "MLFLOW_EXPERIMENT_ID": str(trial.experiment_id),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # A site that is down for a moment holds a script up, and does not end it.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
        "PYTHONUNBUFFERED": "1",
    }


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
