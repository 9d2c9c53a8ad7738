"""Reports from LightGBM.

lgb.train(…, callbacks=[sweepsite_client.lightgbm.callback()])
"""

from __future__ import annotations

from typing import Any, Callable

from lightgbm.callback import CallbackEnv, EarlyStopException

from ._reports import report

BEFORE_EARLY_STOPPING = 25  # its place is 30, and it would end the round


def callback() -> Callable[[CallbackEnv], None]:
    """Reports each round's metrics as "validation-l2", and ends the training when the
    trial is asked to stop."""
    return _ReportRound()


class _ReportRound:
    order, before_iteration = BEFORE_EARLY_STOPPING, False

    def __call__(self, env: CallbackEnv) -> None:
        found: Any = env.evaluation_result_list or ()
        # Each is data, metric, value and more.
        if report(env.iteration, {f"{each[0]}-{each[1]}": each[2] for each in found}):
            raise EarlyStopException(env.iteration, found)
