"""A trial in Optuna's manner, whose script starts a run too, until it is pruned."""

from __future__ import annotations

import time

import sweepsite_client

trial = sweepsite_client.trial()
with sweepsite_client.run("not of its own", tags={"by": "ada"}) as run:
    run.log_params({"seed": 3})
    for step in range(30):
        trial.report(trial.params["x"], step)
        if trial.should_prune():
            raise sweepsite_client.TrialPruned
        time.sleep(0.05)
