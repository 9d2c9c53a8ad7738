"""Changing a sweep that has started: which fields, from when, and what it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction
from django.http import QueryDict

from experiments.models import Sweep
from experiments.pages.builder.context import FormContext
from experiments.pages.builder.fields import (
    LIMITS,
    OBJECTIVE,
    RUN,
    SAMPLER,
    SPACE,
    TERMINATION,
)
from experiments.pages.builder.form import SweepForm
from experiments.pages.builder.saved.forms import form_key
from experiments.pages.frame import digest
from experiments.search.document.changes import document_changes
from experiments.search.document.definition import SweepDefinition
from experiments.search.samplers import SAMPLERS
from experiments.search.space.space import SearchSpace
from experiments.search.wording import counted
from experiments.sweeps import editing
from experiments.tracking.spaces import SPACE as SPACE_FIELDS
from experiments.tracking.spaces import no_longer_counted

VERSION, CHECKED = "sweep_version", "checked_changes"
SENTENCES: Mapping[int, str] = {
    RUN: "Cannot change any more: all trials of a sweep run the same code and command."
    " To change them, clone the sweep.",
    OBJECTIVE: "Cannot change any more: all trials are compared by it. To change it,"
    " clone the sweep.",
    SAMPLER: "Cannot change any more: it has chosen the trials so far. To change it,"
    " clone the sweep.",
    TERMINATION: "Applies from the next report on. Trials that have ended keep their"
    " results.",
    LIMITS: "Each change applies at once. Pool, experiment and attempts cannot change"
    " any more.",
}
MEANINGS: Mapping[str, str] = {
    "max_total_trials": "More: the sweep runs longer. Fewer: it ends sooner.",
    "max_concurrent_trials": "From the next start on; running trials finish.",
    "timeout": "Counted from the start of the sweep. Empty: no limit.",
    "trial_timeout": "Running trials above a lower limit stop. A higher one is for"
    " trials that start from now on.",
    "max_failed_trials": "Failures so far count too. Empty: no limit.",
    "priority": "From the next free slot on; running trials finish.",
    "display_name": "Only a name; trials do not depend on it.",
    "description": "Only a text; trials do not depend on it.",
    "tags": "Only for finding the sweep; trials do not depend on them.",
}


def page_values(context: FormContext, form: SweepForm) -> dict[str, Any]:
    """What the page says of a sweep that has started; also sets the fields' help."""
    sweep = context.started
    if sweep is None:
        return {"sentences": {}}
    for name, field in form.fields.items():
        if name in MEANINGS or field.disabled:
            form[name].help_text = MEANINGS.get(name, "")
    number = sweep.next_number()
    space = f"Applies from trial {number} on. Trials that exist keep their values."
    return {"sentences": {str(k): v for k, v in {**SENTENCES, SPACE: space}.items()}}


def changes_in_words(context: FormContext, form: SweepForm) -> list[str]:
    """What saving the form would change, and what a new space means for trials."""
    sweep, stored, new = context.started, context.stored, form.definition
    old = stored.definition if stored is not None else None
    if sweep is None or old is None or new is None:
        return []
    changes = wanted_changes(old, new)
    lines = [*_words_of_texts(old, new, changes), *document_changes(old, new)]
    if any(name in changes for name in SPACE_FIELDS):
        lines.append(space_consequence(sweep, new.search_space))
    return lines


def _words_of_texts(
    old: SweepDefinition, new: SweepDefinition, changes: Mapping[str, Any]
) -> Iterator[str]:
    for name in ("display_name", "description"):
        if name in changes:
            yield editing.field_change(name, getattr(old, name), getattr(new, name))


def wanted_changes(old: SweepDefinition, new: SweepDefinition) -> dict[str, Any]:
    """What differs, as `change_sweep` takes it."""
    before, after = old.dump(), new.dump()
    limits = {
        name: getattr(new.limits, name)
        for name in editing.LIMITS
        if getattr(new.limits, name) != getattr(old.limits, name)
    }
    names = (*editing.TEXTS, editing.POLICY, editing.PRIORITY, *SPACE_FIELDS)
    others = {n: after.get(n) for n in names if before.get(n) != after.get(n)}
    return {**others, "limits": limits} if limits else others


def space_consequence(sweep: Sweep, space: SearchSpace) -> str:
    """What another space means for existing trials."""
    outside, trials = no_longer_counted(sweep, space)
    if not trials:
        return "There are no trials yet; all will be drawn from the new space."
    keep = ("existing trial keeps its values.", "existing trials keep their values.")
    kept = counted(trials, *keep)
    sampler = sweep.definition.get("sampling_algorithm", {}).get("type", "random")
    if SAMPLERS[sampler].needs_history:
        if not outside:
            return f"{kept} The search continues to learn from all of them."
        return f"{kept} The search no longer learns from {outside:,} outside the space."
    if space.is_finite:
        return f"{kept} The search tries the rest of the new space."
    return f"{kept} New ones are drawn from the new space."


class NotChecked(Exception):
    """The person has not seen yet what the changes are; `mark` says that they have."""

    def __init__(self, mark: str) -> None:
        super().__init__("Check the changes, then save them.")
        self.mark = mark


def save_changes(
    context: FormContext, definition: SweepDefinition, data: QueryDict
) -> bool:
    """Change the sweep by the form; whether anything differs.

    Raises Conflict, NotChecked, ChangedElsewhere and DefinitionError.
    """
    sweep, stored = context.started, context.stored
    old = stored.definition if stored is not None else None
    if sweep is None or old is None:
        raise ValueError("The form is not of a sweep that has started.")
    version = data.get(VERSION, "")
    changes = wanted_changes(old, definition)
    if not changes:
        form_key(context).discard()
        return False
    if version != editing.version_of(sweep):
        raise editing.Conflict(editing.conflict_words(sweep))
    mark = digest(repr(changes))
    if data.get(CHECKED) != mark:
        raise NotChecked(mark)
    with transaction.atomic():
        form_key(context).end(data)
        editing.change_sweep(sweep, changes, actor=context.user, if_version=version)
    return True
