"""The form of the Settings tab: limits, the quick way. The builder changes the rest.

It carries a copy of what it showed. If somebody else has changed that meanwhile, it
says what changed and saves nothing; sent again, it saves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from experiments.models import Sweep, User
from experiments.pages.form_fields import (
    DurationField,
    WholeNumberField,
    whole,
    write_duration,
)
from experiments.search.document.limits import MAX_CONCURRENT, MAX_TRIALS
from experiments.search.fields import DefinitionError
from experiments.sweeps import editing

SEEN = "seen"
MAX_SEEN = 200_000
# What a request claims to have seen can be anything.
MAX_SHOWN = 60
LIMITS = "limits."


class LimitsForm(forms.Form):
    """The limits and priority of a sweep; an empty limit does not apply."""

    max_total_trials = WholeNumberField(
        least=1,
        most=MAX_TRIALS,
        label="Total trials",
        help_text="Raise it to run longer, lower it to end sooner.",
    )
    max_concurrent_trials = WholeNumberField(
        least=1,
        most=MAX_CONCURRENT,
        label="At a time",
        help_text="Lowering it does not stop running trials.",
    )
    max_failed_trials = WholeNumberField(
        least=1,
        most=MAX_TRIALS,
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
        help_text="Sweeps with a higher priority start trials first. The default is 0.",
    )

    seen = forms.CharField(
        required=False, max_length=MAX_SEEN, widget=forms.HiddenInput
    )
    # Whether somebody else has changed what the form showed.
    overtaken = False

    def __init__(self, sweep: Sweep, data: Any = None) -> None:
        self.sweep = sweep
        initial = self.settings()
        super().__init__(data, initial={**initial, SEEN: json.dumps(initial)})

    def settings(self) -> dict[str, Any]:
        """The present settings by field."""
        names = [name for name in self.base_fields if name != SEEN]
        found = {name: getattr(self.sweep, name) for name in names}
        return {n: None if v is None else whole(v) for n, v in found.items()}

    def save(self, *, actor: User) -> bool:
        """Change the sweep. False: the form now has errors."""
        try:
            if changes := self.changes():
                editing.change_sweep(self.sweep, changes, actor=actor)
        except DefinitionError as error:
            for problem in error.problems:
                name = problem.path.removeprefix(LIMITS)
                self.add_error(name if name in self.fields else None, problem.message)
            return False
        return True

    def changes(self) -> dict[str, Any]:
        """The fields of the sweep that change."""
        limits = {name: self.cleaned_data[name] for name in self.changed()}
        priority = limits.pop(editing.PRIORITY, self.sweep.priority) or 0
        changes: dict[str, Any] = {"limits": limits} if limits else {}
        if priority != self.sweep.priority:
            changes[editing.PRIORITY] = priority
        return changes

    def changed(self) -> list[str]:
        """The names of the changed fields."""
        return [name for name in self.changed_data if name != SEEN]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        changes = list(self._changes_of_others())
        if changes:
            self.overtaken = True
            data: Any = self.data
            self.data = data = data.copy()
            data[SEEN] = self.initial[SEEN]
            raise ValidationError(
                f"Somebody else changed this meanwhile: {'; '.join(changes)}."
                " Your change was not saved. Send it again to apply it."
            )
        return cleaned

    def _changes_of_others(self) -> Iterator[str]:
        for name, old in _mapping(self.data.get(SEEN, "")).items():
            if name in self.fields and name in self.initial:
                now = self.initial[name]
                if now != old:
                    change = self.change_text(name, old, now)
                    yield f"“{self.fields[name].label}” {change}"

    def change_text(self, name: str, old: Any, now: Any) -> str:
        """How a field changed; follows its label."""
        if isinstance(self.fields[name], DurationField):
            old, now = write_duration(old), write_duration(now)
        before, after = (
            "empty" if v in (None, "") else str(v)[:MAX_SHOWN] for v in (old, now)
        )
        return f"was {before} and is now {after}"


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
