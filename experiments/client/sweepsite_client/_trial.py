"""The trial that this process is a part of, in Optuna's manner."""

from __future__ import annotations

import functools
from typing import Any

from ._environment import params, primary_metric, trial_id, trial_name
from ._reporter import say
from ._reports import report, should_stop
from ._values import as_step


class TrialPruned(SystemExit):
    """Raise it to end a trial that should be pruned: the script ends with exit code 0,
    and the policy that asked for it decides the trial's state."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.code = 0


class CurrentTrial:
    """Reports the metric that the sweep optimizes."""

    def __init__(self) -> None:
        self.params = params()
        self._name = primary_metric() or "value"
        self._steps: set[int] = set()

    @property
    def number(self) -> int | None:
        """Its number in the sweep; None outside a sweep."""
        number = trial_name().rpartition("/")[2]
        return int(number) if number.isdigit() else None

    def report(self, value: Any, step: int) -> None:
        """Report the metric's value at a step; a step that is reported already is
        ignored, with a warning.

        Raises TypeError if the value is not a number or the step not a whole number,
        ValueError if the step is negative.
        """
        value, step = as_float(value), as_step(step)
        if step < 0:
            raise ValueError(f"step is {step}; it must not be negative")
        if step in self._steps:
            say(f"step {step} is reported already; this value is ignored")
            return
        self._steps.add(step)
        report(step, {self._name: value})

    def should_prune(self) -> bool:
        """Whether the sweep asks this trial to stop; then raise TrialPruned."""
        return should_stop()


def as_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise TypeError(f"value is {value!r}; it must be a number") from problem


@functools.cache
def trial() -> CurrentTrial:
    """This process's trial. Outside a sweep it has no parameters, prints its reports,
    and is never pruned."""
    if not trial_id():
        say("this is not a trial of a sweep, so its reports are only printed")
    return CurrentTrial()
