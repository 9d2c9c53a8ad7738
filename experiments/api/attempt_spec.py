"""What a worker needs to run one attempt: argv, environment, code and limits."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings

from experiments.api.attempt_code import code_fields
from experiments.lifecycle import Claim
from experiments.models import Attempt, Sweep, Trial
from experiments.resuming import checkpoint_for, note_resumed
from experiments.search.command import render_command, value_text

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
        "resume_from": _resume_from(attempt),
        "limits": _limits(sweep),
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
    return {told: int(given[name]) for name, told in names.items() if given.get(name)}


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
        "MLFLOW_TRACKING_URI": settings.SITE_URL,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": str(trial.pk),
        "MLFLOW_EXPERIMENT_ID": str(trial.experiment_id),
        "PYTHONUNBUFFERED": "1",
    }
