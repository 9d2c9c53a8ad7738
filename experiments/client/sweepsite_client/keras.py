"""Reports from Keras.

model.fit(…, callbacks=[sweepsite_client.keras.Callback()])
"""

from __future__ import annotations

from typing import Any

import keras

from ._reports import report, should_stop


class KerasCallback(keras.callbacks.Callback):
    """Reports each epoch's metrics, and ends fit() when the trial is asked to stop."""

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._stop_if(should_stop())

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._stop_if(report(epoch, logs or {}))

    def _stop_if(self, asked: bool) -> None:
        if asked:
            self.model.stop_training = True


Callback = KerasCallback
