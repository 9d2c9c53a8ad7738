"""Report metrics from a training script, and learn whether to stop.

    import sweepsite_client as sweep

    p = sweep.params()                        # {} outside a sweep
    for step in range(30):
        if sweep.log(step=step, accuracy=0.9):   # True: asked to stop
            break

Outside a sweep everything does nothing, and `log` prints its line. Create sweeps, watch
them and read their results from anywhere:

    sweep = sweepsite_client.connect().sweep("sweep.yaml").start().watch()
    sweep.best()

Standard library only, Python 3.9 and later; safe to use from several threads and after
a fork.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._environment import outputs, params, resume_from, trial_id, trial_name
from ._reports import log, should_stop, stop_reason

if TYPE_CHECKING:
    from ._asked import AskedTrial
    from ._requests import RequestError
    from ._run import RunNotStarted, TrackedRun, run
    from ._site import RemoteSite, connect
    from ._sweep import RemoteSweep
    from ._trial import CurrentTrial, TrialPruned, trial

__all__ = ["log", "outputs", "params", "resume_from", "should_stop", "stop_reason"]
__all__ += ["CurrentTrial", "TrialPruned", "trial", "trial_id", "trial_name"]
__all__ += ["RunNotStarted", "TrackedRun", "run"]
__all__ += ["AskedTrial", "RemoteSite", "RemoteSweep", "RequestError", "connect"]

# Loaded on first use, as few trials need them; the callbacks need their framework.
_LAZY = {
    **dict.fromkeys(("CurrentTrial", "TrialPruned", "trial"), "_trial"),
    **dict.fromkeys(("RunNotStarted", "TrackedRun", "run"), "_run"),
    **dict.fromkeys(("RemoteSite", "connect"), "_site"),
    **{"AskedTrial": "_asked", "RequestError": "_requests", "RemoteSweep": "_sweep"},
}
_CALLBACKS = ("huggingface", "keras", "lightgbm", "lightning", "xgboost")


def __getattr__(name: str) -> Any:
    if name in _CALLBACKS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
