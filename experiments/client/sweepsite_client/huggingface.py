"""Reports from Hugging Face.

Trainer(…, callbacks=[sweepsite_client.huggingface.Callback()])
"""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from ._reports import report, should_stop


class HuggingFaceCallback(TrainerCallback):
    """Reports the numbers that the trainer logs, at its global step.

    Ends train() when the trial is asked to stop; of several processes, which must stop
    at the same step, the runner's SIGTERM ends all.
    """

    def on_log(
        self,
        args: Any,
        state: Any,
        control: Any,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        numbers = {n: v for n, v in (logs or {}).items() if isinstance(v, (int, float))}
        if state.is_world_process_zero:
            report(state.global_step, numbers)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if args.world_size == 1 and should_stop():
            control.should_training_stop = True


Callback = HuggingFaceCallback
