"""Changes to a sweep's settings, checked as a whole and stored as an event."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from experiments import queues
from experiments.formatting import exact_duration_text
from experiments.models import Event, ReportVersion, Sweep, User
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.search.document.changes import policy_in_words
from experiments.search.document.definition import SweepDefinition, parse_document
from experiments.search.fields import DefinitionError, Problem, listed, shown
from experiments.search.space.changes import space_changes
from experiments.sweeps.creation import (
    at_next_number,
    find_or_create_experiment,
    sweep_columns,
    sweep_document,
    sweep_fields,
)
from experiments.tracking.spaces import (
    SPACE,
    keep_version,
    parsed_space,
    space_document,
)

CHANGED = "sweep changed"
LIMITS = (
    "max_total_trials",
    "max_concurrent_trials",
    "max_failed_trials",
    "timeout",
    "trial_timeout",
)
# Field of the document to column of the sweep.
TEXTS = {"display_name": "name", "description": "description", "tags": "tags"}
POLICY = "early_termination"
PRIORITY = "priority"
MAX_NOTES = 100_000
# An event lists at most this many changes of a search space.
MAX_SHOWN = 12
# Columns whose values are too long for an event's message.
LONG = ("description", "notes", "tags")


class AlreadyStarted(Exception):
    """The sweep is not a draft any more."""

    def __init__(self, sweep: Sweep) -> None:
        super().__init__(f"{sweep} is {sweep.state}. Only drafts can be replaced.")
        self.sweep = sweep


class Conflict(Exception):
    """Another person has changed the sweep meanwhile; the message says what."""


def change_sweep(
    sweep: Sweep,
    changes: Mapping[str, Any],
    *,
    actor: User | None,
    if_version: str | None = None,
) -> Sweep:
    """Change limits, priority, early termination, search space, name and words.

    ``changes`` is a part of a sweep document, with ``notes``; other fields stay. The
    result is checked like a new document. A new search space is for new trials. Raises
    DefinitionError, also for fields that an ended sweep cannot change, and Conflict if
    `if_version` is not the sweep's version any more.
    """
    with transaction.atomic():
        sweep.refresh_from_db(
            from_queryset=Sweep.objects.select_for_update(no_key=True)
        )
        if if_version is not None and if_version != version_of(sweep):
            raise Conflict(conflict_words(sweep))
        after = _checked(sweep, changes)
        before = {name: getattr(sweep, name) for name in after}
        changed = [name for name in after if after[name] != before[name]]
        if not changed:
            return sweep
        _store(sweep, {name: after[name] for name in changed}, actor=actor)
    sweep.refresh_from_db()
    queues.wake_scheduler()
    return sweep


def _store(sweep: Sweep, columns: dict[str, Any], *, actor: User | None) -> None:
    """Write changed columns and their event."""
    before = {name: getattr(sweep, name) for name in columns}
    after = dict(columns)
    words: list[str] = []
    if "definition" in columns:
        old, new = before.pop("definition"), after.pop("definition")
        until, words = _new_space(sweep, new)
        if until:
            keep_version(sweep, until=until, changed_by=actor)
            columns = {**columns, "space_version": sweep.space_version + 1}
        columns = {**columns, "exhausted": False}
        before |= {name: old.get(name) for name in SPACE}
        after |= {name: new.get(name) for name in SPACE}
    Sweep.objects.filter(pk=sweep.pk).update(**columns, updated_at=Now())
    if POLICY in columns:
        # Reports that no policy judges have no version.
        ReportVersion.objects.filter(sweep=sweep).delete()
    listed = [name for name in columns if name in before and name != POLICY]
    words += _change_words(sweep, listed, before=before, after=after)
    Event.log(
        CHANGED,
        " ".join(words),
        actor=actor,
        sweep=sweep,
        before=before,
        after=after,
    )


def _new_space(sweep: Sweep, document: Mapping[str, Any]) -> tuple[int, list[str]]:
    """The number of its first trial, 0 for a draft; and the changes in words."""
    until = 0 if sweep.state == SweepState.DRAFT else sweep.next_number()
    old = parsed_space(sweep, space_document(sweep.definition))
    new = parsed_space(sweep, space_document(document))
    lines = [str(line) for line in space_changes(old, new)] if old and new else []
    more = len(lines) - MAX_SHOWN
    if more > 0:
        lines = [*lines[:MAX_SHOWN], f"and {more} more"]
    start = f"New search space from trial {until} on" if until else "New search space"
    return until, [f"{start}: {'; '.join(lines)}." if lines else f"{start}."]


def _change_words(
    sweep: Sweep,
    listed: Sequence[str],
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> Iterator[str]:
    """Each changed field with its old and new value."""
    if listed:
        parts = [field_change(name, before[name], after[name]) for name in listed]
        yield f"{'; '.join(parts)}."
    if POLICY in after:
        yield _policy_change(sweep, before[POLICY], after[POLICY])


def field_change(name: str, before: Any, after: Any) -> str:
    """``max_total_trials: 4 → 9``; for long texts only that they changed."""
    field = next((field for field, column in TEXTS.items() if column == name), name)
    if name in LONG:
        return f"{field} changed"
    return f"{field}: {_value_words(name, before)} → {_value_words(name, after)}"


def _value_words(name: str, value: Any) -> str:
    if value is None:
        return "no limit"
    if isinstance(value, str):
        return shown(value)
    return exact_duration_text(value) if "timeout" in name else f"{value}"


def _policy_change(
    sweep: Sweep, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> str:
    old, new = policy_words(sweep, before), policy_words(sweep, after)
    if before and after and old == new:
        parts = [
            f"{name} {after[name]} instead of {before.get(name)}"
            for name in after
            if after[name] != before.get(name)
        ]
        return f"Early termination from now on: {new} with {', '.join(parts)}."
    return f"Early termination from now on: {new}; until now: {old}."


def policy_words(sweep: Sweep, settings: Mapping[str, Any] | None) -> str:
    """A policy in a few words, such as ``median stopping from report 5 on``."""
    try:
        return policy_in_words(settings, sweep.objective)
    except DefinitionError:
        return "a policy of an unknown kind"


# --- drafts -----------------------------------------------------------------------


def draft_mark(sweep: Sweep) -> str:
    """Text that differs as soon as anything in the draft differs."""
    text = json.dumps([sweep_document(sweep), sweep.code_id], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def replace_draft(
    sweep: Sweep, definition: SweepDefinition, *, actor: User, seen: str, token: str
) -> Sweep:
    """Replace a draft's document; `token` is that of the form.

    Raises AlreadyStarted, DefinitionError as `create_sweep` does, and Conflict if
    somebody else has changed the draft since it had the mark ``seen``.
    """
    sweep.refresh_from_db(from_queryset=Sweep.objects.select_for_update(no_key=True))
    before = sweep_document(sweep)
    last = sweep.events.filter(verb=CHANGED).first()
    # One form may arrive twice.
    sent = last and (last.actor_id, last.data.get("form_token"))
    is_same = sent == (actor.pk, token)
    if seen and seen != draft_mark(sweep) and not is_same:
        raise Conflict(_draft_conflict(sweep, last, actor))
    team = sweep.experiment.team
    columns = sweep_columns(team, definition, user=actor)
    drafts = Sweep.objects.filter(pk=sweep.pk, state=SweepState.DRAFT)
    if not drafts.update(**columns, updated_at=Now()):
        sweep.refresh_from_db()
        raise AlreadyStarted(sweep)
    home = find_or_create_experiment(team, definition.experiment_name, user=actor)
    if home.pk != sweep.experiment_id:
        at_next_number(home, lambda n: drafts.update(experiment=home, number=n))
    sweep = Sweep.objects.select_related("experiment__team", "pool").get(pk=sweep.pk)
    after = sweep_document(sweep)
    names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
    changed = f"Changed {listed(names)}." if names else ""
    data = {"form_token": token}
    Event.log(CHANGED, changed, actor=actor, sweep=sweep, data=data)
    return sweep


def _draft_conflict(sweep: Sweep, last: Event | None, actor: User) -> str:
    who = last.who if last else "Somebody else"
    if last and last.actor_id == actor.pk:
        who = "In another tab you"
    changed = f"{who} {'have' if who.endswith('you') else 'has'} changed {sweep}"
    return (
        f"{changed} since you opened this form, so your changes were not stored."
        f" {last.message if last else ''} Your entries are still here. Save again to"
        " replace the other changes."
    )


# --- two people at once -----------------------------------------------------------


def version_of(sweep: Sweep) -> str:
    """A text that differs after any change of the settings."""
    parts = [space_document(sweep.definition), sweep.early_termination, sweep.notes]
    parts += [getattr(sweep, name) for name in (*LIMITS, PRIORITY, *TEXTS.values())]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def conflict_words(sweep: Sweep) -> str:
    """That another person was faster, and the last change."""
    last = sweep.events.exclude(message="").exclude(after={}).first()
    sentence = f"{sweep} was changed meanwhile, so your change was not stored."
    if last is None:
        return sentence
    return f"{sentence} The last change, by {last.who}: {last.message}"


# --- checking ---------------------------------------------------------------------


def _checked(sweep: Sweep, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The new values of the sweep's columns, by column."""
    limits = dict(changes.get("limits") or {})
    fields = (POLICY, PRIORITY, *SPACE)
    searching = [f"limits.{name}" for name in limits]
    searching += [name for name in fields if name in changes]
    if sweep.state in SWEEP_ENDS and searching:
        raise DefinitionError(Problem(path, _ended(sweep)) for path in searching)
    document = sweep_document(sweep)
    given = {name: changes[name] for name in (*TEXTS, *fields) if name in changes}
    document.update(given, limits={**document["limits"], **limits})
    # Without a name or tags a document does not have the field.
    document = {
        name: value for name, value in document.items() if name not in TEXTS or value
    }
    columns = sweep_fields(parse_document(document), sweep.code)
    wanted = [name for name in LIMITS if name in limits]
    wanted += [TEXTS.get(name, name) for name in given if name not in SPACE]
    found = {name: columns[name] for name in wanted} | _notes(changes)
    if not any(name in given for name in SPACE):
        return found
    return found | {"definition": _with_space(sweep, columns["definition"])}


def _with_space(sweep: Sweep, document: Mapping[str, Any]) -> dict[str, Any]:
    """The sweep's definition with the space of another one, in the usual order."""
    parts = {name: v for name, v in sweep.definition.items() if name not in SPACE}
    parts |= space_document(document)
    order = [*document, *(name for name in parts if name not in document)]
    return {name: parts[name] for name in order if name in parts}


def _ended(sweep: Sweep) -> str:
    return (
        f"The sweep is {sweep.state}; only display_name, description, tags and notes"
        " can be changed now."
    )


def _notes(changes: Mapping[str, Any]) -> dict[str, str]:
    if "notes" not in changes:
        return {}
    notes = changes["notes"] or ""
    if len(notes) > MAX_NOTES or "\0" in notes:
        sentence = f"notes has at most {MAX_NOTES:,} characters, none of them NUL."
        raise DefinitionError([Problem("notes", sentence)])
    return {"notes": notes}
