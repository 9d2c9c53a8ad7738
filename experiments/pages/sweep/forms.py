"""The forms of the Settings tab: what can change before a sweep ends.

A form carries a copy of what it showed. If somebody else has changed that meanwhile,
the form says what changed and saves nothing; sent again, it saves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django import forms
from django.core.exceptions import ValidationError

from experiments.models import Sweep, User
from experiments.pages.form_fields import (
    DurationField,
    WholeNumberField,
    whole,
    write_duration,
)
from experiments.pages.frame import digest
from experiments.pages.sweep.search_tile import sampler_of
from experiments.search.document.limits import MAX_CONCURRENT, MAX_TRIALS
from experiments.search.document.loading import load_document
from experiments.search.document.yaml import line_text, yaml_text
from experiments.search.fields import DefinitionError, Problem
from experiments.search.samplers import SAMPLERS
from experiments.search.space.changes import ParameterChange, space_changes
from experiments.search.space.space import SearchSpace
from experiments.search.wording import counted
from experiments.sweeps import editing
from experiments.tracking.spaces import no_longer_counted, parsed_space, search_space

SEEN = "seen"
MAX_SEEN = 200_000
# Longer values are not shown.
MAX_SHOWN = 60
LIMITS = "limits."
POLICY = "early_termination"
MAX_POLICY, MAX_SPACE = 10_000, 100_000
AREA = {"class": "input input-mono", "spellcheck": "false"}


class SeenForm(forms.Form):
    """A form of a sweep's settings; ``initial`` has the present ones.

    ``name`` is the form's name on the page, ``done`` the message once it is saved.
    """

    name = "form"
    done = "The limits of {} are set."
    seen = forms.CharField(
        required=False,
        max_length=MAX_SEEN,
        # A page has several such forms.
        widget=forms.HiddenInput({"id": False}),
    )
    # Whether somebody else has changed what the form showed.
    overtaken = False

    def __init__(self, sweep: Sweep, data: Any = None) -> None:
        self.sweep = sweep
        initial = self.settings()
        super().__init__(data, initial={**initial, SEEN: json.dumps(initial)})

    def settings(self) -> dict[str, Any]:
        """The present settings by field."""
        raise NotImplementedError

    def changes(self) -> dict[str, Any]:
        """The fields of the sweep that change. Raises DefinitionError."""
        raise NotImplementedError

    def place(self, problem: Problem) -> tuple[str | None, str]:
        """The field and the message of a problem of a change."""
        raise NotImplementedError

    def save(self, *, actor: User) -> bool:
        """Change the sweep. False: the form now has errors."""
        try:
            if changes := self.changes():
                editing.change_sweep(self.sweep, changes, actor=actor)
        except DefinitionError as error:
            return self.refuse(error)
        return True

    def refuse(self, error: DefinitionError) -> Literal[False]:
        for problem in error.problems:
            self.add_error(*self.place(problem))
        return False

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
        before, after = ("empty" if v in (None, "") else str(v) for v in (old, now))
        if max(len(before), len(after)) > MAX_SHOWN or "\n" in before + after:
            return "is different now"
        return f"was {before} and is now {after}"


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class LimitsForm(SeenForm):
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

    def settings(self) -> dict[str, Any]:
        names = [name for name in self.base_fields if name != SEEN]
        found = {name: getattr(self.sweep, name) for name in names}
        return {n: None if v is None else whole(v) for n, v in found.items()}

    def change_text(self, name: str, old: Any, now: Any) -> str:
        if isinstance(self.fields[name], DurationField):
            old, now = write_duration(old), write_duration(now)
        return super().change_text(name, old, now)

    def changes(self) -> dict[str, Any]:
        limits = {name: self.cleaned_data[name] for name in self.changed()}
        priority = limits.pop(editing.PRIORITY, self.sweep.priority) or 0
        changes: dict[str, Any] = {"limits": limits} if limits else {}
        if priority != self.sweep.priority:
            changes[editing.PRIORITY] = priority
        return changes

    def place(self, problem: Problem) -> tuple[str | None, str]:
        name = problem.path.removeprefix(LIMITS)
        return name if name in self.fields else None, problem.message


class PolicyForm(SeenForm):
    """The policy as text, as below ``early_termination`` in a document."""

    name = "policy_form"
    done = "Early termination of {} from now on: {policy}."
    policy = forms.CharField(
        required=False,
        max_length=MAX_POLICY,
        label="Policy, as in a sweep document",
        help_text="Such as <code>type: median_stopping</code>. Intervals and delays"
        " count reports: report n is the n-th report of the primary metric. Empty:"
        " every trial runs to its end.",
        widget=forms.Textarea({"rows": 7, **AREA}),
    )

    def settings(self) -> dict[str, Any]:
        settings = self.sweep.early_termination
        return {"policy": yaml_text(settings) if settings else ""}

    def change_text(self, name: str, old: Any, now: Any) -> str:
        before, after = (_in_words(self.sweep, str(text)) for text in (old, now))
        return f"was {before} and is now {after}"

    def changes(self) -> dict[str, Any]:
        text = self.cleaned_data["policy"].strip()
        return {POLICY: dict(load_document(text)) if text else None}

    def place(self, problem: Problem) -> tuple[str | None, str]:
        return "policy", _named(problem, POLICY)


def _in_words(sweep: Sweep, text: str) -> str:
    try:
        settings = dict(load_document(text)) if text.strip() else None
    except DefinitionError:
        return "a different policy"
    return editing.policy_words(sweep, settings)


@dataclass(frozen=True)
class SpacePreview:
    """What a change would do, line by line, and to existing trials."""

    lines: Sequence[ParameterChange]
    words: str
    mark: str


class SpaceForm(SeenForm):
    """Search space and constraints as text; a change is saved once the user has seen
    its preview."""

    name = "space_form"
    done = "New trials of {} are drawn from the new search space."
    preview: SpacePreview | None = None

    space = forms.CharField(
        max_length=MAX_SPACE,
        label="Search space, one parameter per line",
        help_text="As in a sweep document, such as <code>learning_rate:"
        " {type: float, low: 0.0001, high: 0.1, log: true}</code>.",
        widget=forms.Textarea({"rows": 8, **AREA}),
    )
    constraints = forms.CharField(
        required=False,
        max_length=MAX_SPACE,
        label="Constraints, one per line",
        help_text="Such as <code>layers * batch_size &lt;= 256</code>.",
        widget=forms.Textarea({"rows": 2, **AREA}),
    )

    def settings(self) -> dict[str, Any]:
        definition = self.sweep.definition
        return {
            "space": _lines(definition.get("search_space", {})),
            "constraints": "\n".join(definition.get("constraints", ())),
        }

    def change_text(self, name: str, old: Any, now: Any) -> str:
        if name == "space":
            spaces = [_read(self.sweep, str(text)) for text in (old, now)]
            if spaces[0] and spaces[1]:
                changes = map(str, space_changes(spaces[0], spaces[1]))
                return f"is different now ({', '.join(changes)})"
        return super().change_text(name, old, now)

    def changes(self) -> dict[str, Any]:
        lines = self.cleaned_data["constraints"].splitlines()
        return {
            "search_space": dict(load_document(self.cleaned_data["space"])),
            "constraints": [line.strip() for line in lines if line.strip()],
        }

    def save(self, *, actor: User) -> bool:
        try:
            space = editing.space_after(self.sweep, self.changes())
            self.preview = preview = self._preview(space)
        except DefinitionError as error:
            return self.refuse(error)
        if not preview.lines:
            text = "Nothing changes: this is the sweep's search space now."
            self.add_error(None, text)
        is_seen = self.data.get("previewed", "") == preview.mark
        return is_seen and bool(preview.lines) and super().save(actor=actor)

    def refuse(self, error: DefinitionError) -> Literal[False]:
        self.preview = None
        return super().refuse(error)

    def _preview(self, space: SearchSpace) -> SpacePreview:
        lines = space_changes(search_space(self.sweep), space)
        texts = (self.cleaned_data["space"], self.cleaned_data["constraints"])
        return SpacePreview(lines, _consequence(self.sweep, space), digest(repr(texts)))

    def place(self, problem: Problem) -> tuple[str | None, str]:
        if problem.path.startswith("constraints"):
            return "constraints", problem.message
        return "space", _named(problem, "search_space")


def _lines(space: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {line_text(law)}" for name, law in space.items())


def _read(sweep: Sweep, text: str) -> SearchSpace | None:
    try:
        return parsed_space(sweep, {"search_space": dict(load_document(text))})
    except DefinitionError:
        return None


def _consequence(sweep: Sweep, space: SearchSpace) -> str:
    """What a change means for existing trials."""
    outside, trials = no_longer_counted(sweep, space)
    if not trials:
        return "There are no trials yet; all will be drawn from it."
    keep = ("existing trial keeps its values.", "existing trials keep their values.")
    kept = counted(trials, *keep)
    if SAMPLERS[sampler_of(sweep)].needs_history:
        if not outside:
            return f"{kept} The search continues to learn from all of them."
        return f"{kept} The search no longer learns from {outside:,} outside the space."
    if space.is_finite:
        return f"{kept} The search tries the rest of the new space."
    return f"{kept} New ones are drawn from the new space."


def _named(problem: Problem, part: str) -> str:
    """The problem's message, with the name of its field."""
    path = problem.path.removeprefix(part).removeprefix(".")
    if not path or path in problem.message:
        return problem.message
    return f"{path}: {problem.message}"
