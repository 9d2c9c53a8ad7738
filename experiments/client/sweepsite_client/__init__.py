"""Report metrics from a training script, and learn whether to stop.

    import sweepsite_client as sweep

    p = sweep.params()                        # {} outside a sweep
    for step in range(30):
        if sweep.log(step=step, accuracy=0.9):   # True: asked to stop
            break

Outside a sweep everything does nothing, and `log` prints its line. Standard library
only, Python 3.9 and later; safe to use from several threads and after a fork.
"""

from __future__ import annotations

from ._environment import (
    outputs,
    params,
    resume_from,
    trial_id,
    trial_name,
)
from ._reports import log, should_stop, stop_reason

__all__ = ["log", "outputs", "params", "resume_from", "should_stop", "stop_reason"]
__all__ += ["trial_id", "trial_name"]
