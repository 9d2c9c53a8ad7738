"""Sweeps whose trials failed, and the pages that tell of them."""

from __future__ import annotations

from typing import Any

from experiments import lifecycle, storage
from experiments.failures import groups
from experiments.models import Sweep, Trial
from tests import factories
from tests.pages.clients import sweep_page

SPACE = {
    "x": {"type": "uniform", "min_value": 0, "max_value": 1},
    "batch": {"type": "choice", "values": [8, 16, 64, 128]},
}


def sweep(**fields: Any) -> Sweep:
    document = factories.definition_document(
        search_space=SPACE,
        limits={"max_total_trials": 40, "max_concurrent_trials": 2},
    )
    team = factories.team(ada="member", eve="viewer")
    return factories.sweep(team, document=document, **fields)


def run(made: Sweep, batch: int, log: str = "", count: int = 1) -> list[Trial]:
    """Trials that fail with a log, or work without one."""
    done = []
    Sweep.objects.filter(pk=made.pk).update(state="running")
    for _ in range(count):
        params = {"x": made.trials.count() * 7 % 13 / 13, "batch": batch}
        trial = factories.trial(made, params=params)
        attempt = factories.claim(trial).attempt
        if log:
            storage.append_log(attempt.pk, log.encode())
            outcome = lifecycle.Outcome(
                cause="exited", exit_code=1, message="exit code 1", elapsed=2.0
            )
        else:
            factories.report(trial, [0.5])
            outcome = lifecycle.Outcome(cause="exited", exit_code=0, elapsed=9.0)
        groups.store_signature(attempt, outcome)
        lifecycle.finish_attempt(attempt, outcome)
        done.append(trial)
    return done


def oom(made: Sweep) -> Sweep:
    """A paused sweep of which the larger batches ran out of memory."""
    log = "RuntimeError: CUDA out of memory. Tried to allocate 1.50 GiB\n"
    run(made, 8, count=6)
    run(made, 16, count=6)
    run(made, 128, log, count=3)
    run(made, 64, log, count=3)
    Sweep.objects.filter(pk=made.pk).update(state="paused", reason="max_failed_trials")
    made.refresh_from_db()
    return made


def text_of(made: Sweep, path: str = "failures/") -> str:
    return sweep_page(made, path)
