"""Reports from PyTorch Lightning.

Trainer(callbacks=[sweepsite_client.lightning.Callback()])
"""

from __future__ import annotations

from typing import Any

try:
    from lightning.pytorch.callbacks import Callback as _Base
except ImportError:  # the same under its other name
    from pytorch_lightning.callbacks import Callback as _Base

from ._reports import report


class LightningCallback(_Base):
    """Reports what the module has logged, at the trainer's global step: after each
    validation, and after each training epoch. Ends fit() when the trial is asked to
    stop. Only the process of rank 0 reports."""

    def __init__(self) -> None:
        super().__init__()
        # The trainer keeps old values, so each name is reported after the loop that
        # logs it.
        self._loops: dict[str, str] = {}

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._report(trainer, "validation")

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._report(trainer, "training")

    def _report(self, trainer: Any, loop: str) -> None:
        found = trainer.callback_metrics.items()
        new = {n: v for n, v in found if self._loops.setdefault(n, loop) == loop}
        asked = trainer.is_global_zero and report(trainer.global_step, new)
        # All processes must stop at the same step.
        if trainer.strategy.broadcast(asked):
            trainer.should_stop = True


Callback = LightningCallback
