"""The page of one trial, and a trial that a policy has looked at."""

from __future__ import annotations

from experiments import lifecycle
from experiments.models import Trial
from tests import factories

MEDIAN = {"type": "median_stopping", "evaluation_interval": 1, "delay_evaluation": 2}


def judged_trial(rivals: int = 3, **changes: object) -> Trial:
    document = factories.definition_document(early_termination=MEDIAN, **changes)
    sweep = factories.sweep(factories.team(), document=document)
    for k in range(rivals):
        factories.reported_trial(sweep, [0.5 + k / 100, 0.7, 0.8], state="completed")
    trial = factories.reported_trial(sweep, [0.3, 0.65, 0.4])
    if trial.stop_reason:
        attempt = trial.current_attempt
        assert attempt is not None
        lifecycle.finish_attempt(attempt, lifecycle.Outcome(cause="stopped"))
        trial.refresh_from_db()
    return trial
