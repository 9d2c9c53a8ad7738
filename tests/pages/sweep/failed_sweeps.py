"""Sweeps whose trials failed, and the pages that tell of them."""

from __future__ import annotations

from typing import Any

from experiments import lifecycle, storage
from experiments.failures import groups
from experiments.models import Attempt, Sweep, Trial
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
    before = made.trials.count()
    params = [
        {"x": n * 7 % 13 / 13, "batch": batch} for n in range(before, before + count)
    ]
    if log:
        return [failed(made, values, log) for values in params]
    fields = {"state": "completed", "value": 0.5, "reports": 1, "value_report": 1}
    done = [factories.trial(made, params=p, elapsed=9.0, **fields) for p in params]
    Attempt.objects.filter(trial__in=done).update(worker=factories.worker(made.pool))
    return done


def failed(made: Sweep, params: dict[str, Any], log: str) -> Trial:
    """A trial whose process failed after it had written the log."""
    Sweep.objects.filter(pk=made.pk).update(state="running")
    trial = factories.trial(made, params=params)
    attempt = factories.claim(trial).attempt
    storage.append_log(attempt.pk, log.encode())
    outcome = lifecycle.Outcome(
        cause="exited", exit_code=1, message="exit code 1", elapsed=2.0
    )
    groups.store_signature(attempt, outcome)
    lifecycle.finish_attempt(attempt, outcome)
    return trial


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
