"""The form that gives a running sweep another search space, for its new trials.

First it shows what would change; the second time it changes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from experiments import edits
from experiments.document_yaml import line_text
from experiments.models import Sweep, User
from experiments.pages.live_parts import digest
from experiments.pages.sweep.seen import SeenForm
from experiments.search.figures import counted
from experiments.search.loading import load_document
from experiments.search.problems import DefinitionError, Problem
from experiments.search.samplers import SAMPLERS
from experiments.search.space import SearchSpace
from experiments.search.space_changes import ParameterChange, space_changes
from experiments.space_versions import no_longer_counted, parsed_space
from experiments.spaces import search_space

MOST_CHARACTERS = 100_000
AREA = {"class": "input input-mono", "spellcheck": "false"}


@dataclass(frozen=True)
class SpacePreview:
    """What a change would do: line by line, and what becomes of the old trials."""

    lines: Sequence[ParameterChange]
    words: str
    mark: str


class SpaceForm(SeenForm):
    """Search space and constraints as text."""

    sweep: Sweep
    preview: SpacePreview | None = None

    space = forms.CharField(
        max_length=MOST_CHARACTERS,
        label="Search space, a parameter a line",
        help_text="As in a sweep document, such as <code>learning_rate:"
        " {type: float, low: 0.0001, high: 0.1, log: true}</code>.",
        widget=forms.Textarea({"rows": 8, **AREA}),
    )
    constraints = forms.CharField(
        required=False,
        max_length=MOST_CHARACTERS,
        label="Constraints, one a line",
        help_text="Such as <code>layers * batch_size &lt;= 256</code>.",
        widget=forms.Textarea({"rows": 2, **AREA}),
    )

    @classmethod
    def of(cls, sweep: Sweep, data: Any = None) -> SpaceForm:
        definition = sweep.definition
        initial = {
            "space": _lines(definition.get("search_space", {})),
            "constraints": "\n".join(definition.get("constraints", ())),
        }
        form = cls(data, initial=initial)
        form.sweep = sweep
        return form

    def told(self, name: str, old: Any, now: Any) -> str:
        if name == "space":
            spaces = [_read(self.sweep, str(text)) for text in (old, now)]
            if spaces[0] and spaces[1]:
                changes = map(str, space_changes(spaces[0], spaces[1]))
                return f"is another one now ({', '.join(changes)})"
        return super().told(name, old, now)

    def save(self, *, actor: User, previewed: str) -> bool:
        """Change the space if this text's preview was seen. False: the form now has
        the preview, or says what is wrong."""
        try:
            changes = self._changes()
            self.preview = self._preview(edits.space_after(self.sweep, changes))
            if not self.preview.lines:
                self.add_error(None, "This is the search space that the sweep has.")
            if not self.preview.lines or previewed != self.preview.mark:
                return False
            edits.change_sweep(self.sweep, changes, actor=actor)
        except DefinitionError as error:
            self.preview = None
            for problem in error.problems:
                self._add(problem)
            return False
        return True

    def _changes(self) -> dict[str, Any]:
        lines = self.cleaned_data["constraints"].splitlines()
        return {
            "search_space": dict(load_document(self.cleaned_data["space"])),
            "constraints": [line.strip() for line in lines if line.strip()],
        }

    def _preview(self, space: SearchSpace) -> SpacePreview:
        lines = space_changes(search_space(self.sweep), space)
        texts = (self.cleaned_data["space"], self.cleaned_data["constraints"])
        return SpacePreview(lines, _consequence(self.sweep, space), digest(repr(texts)))

    def _add(self, problem: Problem) -> None:
        path = problem.path.removeprefix("search_space").removeprefix(".")
        field = "constraints" if path.startswith("constraints") else "space"
        named = path and path not in problem.message and field == "space"
        self.add_error(
            field, f"{path}: {problem.message}" if named else problem.message
        )


def _lines(space: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {line_text(law)}" for name, law in space.items())


def _read(sweep: Sweep, text: str) -> SearchSpace | None:
    try:
        return parsed_space(sweep, {"search_space": dict(load_document(text))})
    except DefinitionError:
        return None


def _consequence(sweep: Sweep, space: SearchSpace) -> str:
    """What becomes of the trials that there are."""
    outside, trials = no_longer_counted(sweep, space)
    if not trials:
        return "There are no trials yet: all will be drawn from it."
    kept = f"The {counted(trials, 'trial')} that there are keep their values."
    kind = str(sweep.definition.get("sampling_algorithm", {}).get("type", "random"))
    if SAMPLERS[kind].needs_history:
        if not outside:
            return f"{kept} All lie inside, and the search goes on with all of them."
        verb = "lies" if outside == 1 else "lie"
        return (
            f"{kept} {outside:,} of them {verb} outside and"
            f" {'is' if outside == 1 else 'are'} no longer learnt from."
        )
    if space.is_finite:
        return f"{kept} The new space is gone through without what was tried before."
    return f"{kept} New ones are drawn from the new space."
