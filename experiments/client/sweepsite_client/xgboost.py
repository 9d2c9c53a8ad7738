"""Reports from XGBoost.

xgb.train(…, callbacks=[sweepsite_client.xgboost.Callback()])
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xgboost.callback import TrainingCallback

from ._reports import report


class XGBoostCallback(TrainingCallback):
    """Reports each round's metrics as "validation-logloss", and ends the training when
    the trial is asked to stop."""

    def after_iteration(
        self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, list[Any]]]
    ) -> bool:
        return report(
            epoch,
            {
                f"{data}-{name}": _last(values)
                for data, found in evals_log.items()
                for name, values in found.items()
            },
        )


def _last(values: list[Any]) -> Any:
    """The newest one; of xgb.cv() the mean, which comes with a standard deviation."""
    value = values[-1]
    return value[0] if isinstance(value, tuple) else value


Callback = XGBoostCallback
