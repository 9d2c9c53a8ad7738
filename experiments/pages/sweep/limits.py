"""The form that changes a sweep's limits and priority while it has not ended."""

from __future__ import annotations

from typing import Any

from experiments import edits
from experiments.models import Sweep, User
from experiments.pages.durations import DurationField, whole, write_duration
from experiments.pages.numbers import WholeNumberField
from experiments.pages.sweep.seen import FIELD, SeenForm
from experiments.search.limits import MOST_CONCURRENT, MOST_TRIALS
from experiments.search.problems import DefinitionError

PREFIX = "limits."


class LimitsForm(SeenForm):
    """The document's limits, and its priority; what is left empty has no limit."""

    max_total_trials = WholeNumberField(
        least=1,
        most=MOST_TRIALS,
        label="Trials in all",
        help_text="Raise it to go on, lower it to end sooner.",
    )
    max_concurrent_trials = WholeNumberField(
        least=1,
        most=MOST_CONCURRENT,
        label="At a time",
        help_text="Running trials are not stopped when it is lowered.",
    )
    max_failed_trials = WholeNumberField(
        least=1,
        most=MOST_TRIALS,
        required=False,
        label="Pause after failures",
        help_text="Empty: failures do not pause the sweep.",
    )
    timeout = DurationField(
        required=False,
        label="Whole sweep",
        help_text="Such as 2 h or 1 d 4 h, counted from its start. Empty: no limit.",
    )
    trial_timeout = DurationField(
        required=False,
        label="Each trial",
        help_text="Such as 90 s or 10 m. Empty: no limit.",
    )
    priority = WholeNumberField(
        least=-100,
        most=100,
        required=False,
        label="Priority",
        help_text="Of two sweeps that wait, the higher one goes first. Usual is 0.",
    )

    @classmethod
    def of(cls, sweep: Sweep, data: Any = None) -> LimitsForm:
        names = [name for name in cls.base_fields if name != FIELD]
        found = {name: getattr(sweep, name) for name in names}
        initial = {n: None if v is None else whole(v) for n, v in found.items()}
        return cls(data, initial=initial)

    def told(self, name: str, old: Any, now: Any) -> str:
        if isinstance(self.fields[name], DurationField):
            old, now = write_duration(old), write_duration(now)
        return super().told(name, old, now)

    def save(self, sweep: Sweep, *, actor: User) -> bool:
        """Change what was changed. False: the form now says what is wrong."""
        limits = {name: self.cleaned_data[name] for name in self.changed()}
        changes: dict[str, Any] = {}
        priority = limits.pop(edits.PRIORITY, sweep.priority) or 0
        if priority != sweep.priority:
            changes[edits.PRIORITY] = priority
        if limits:
            changes["limits"] = limits
        if not changes:
            return True
        try:
            edits.change_sweep(sweep, changes, actor=actor)
        except DefinitionError as error:
            for problem in error.problems:
                name = problem.path.removeprefix(PREFIX)
                self.add_error(name if name in self.fields else None, problem.message)
            return False
        return True
