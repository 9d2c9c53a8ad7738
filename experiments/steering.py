"""What people do to a sweep after it was created: steer it, and change its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from django.db import transaction
from django.db.models.functions import Now

from experiments import lifecycle, queues
from experiments.models import Event, Sweep, User
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import TRIAL_RANKED
from experiments.reruns import open_reruns
from experiments.search.definition import parse_document
from experiments.search.limits import MOST_TRIALS
from experiments.search.problems import DefinitionError, Problem, listed
from experiments.search.termination import make_policy
from experiments.submission import sweep_document, sweep_fields

Action = Literal["start", "pause", "resume", "cancel"]

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
MOST_NOTES = 100_000
# So many trials may be asked to run again at once.
MOST_RERUNS = 20


class NotPossible(Exception):
    """The sweep's state does not allow it, with a sentence that says what would."""


class Step(NamedTuple):
    """One way to move a sweep: where it leads, and what to say when it cannot."""

    move: Callable[..., bool]
    target: SweepState
    needs: str


STEPS: Mapping[Action, Step] = {
    "start": Step(lifecycle.start_sweep, SweepState.RUNNING, "a draft can be started"),
    "pause": Step(
        lifecycle.pause_sweep, SweepState.PAUSED, "a running sweep can be paused"
    ),
    "resume": Step(
        lifecycle.resume_sweep, SweepState.RUNNING, "a paused sweep can be resumed"
    ),
    "cancel": Step(
        lifecycle.cancel_sweep,
        SweepState.CANCELLED,
        "a sweep that has not ended can be cancelled",
    ),
}


def steer(sweep: Sweep, action: Action, *, actor: User | None) -> Sweep:
    """Move the sweep, which then says where it is; asking twice is asking once.

    Raises NotPossible when it is somewhere from where no way leads there.
    """
    step = STEPS[action]
    if step.move(sweep, actor=actor):
        queues.wake_scheduler()
        return sweep
    sweep.refresh_from_db()
    if sweep.state != step.target:
        raise NotPossible(f"The sweep {sweep} is {sweep.state}; only {step.needs}.")
    return sweep


def run_again(
    sweep: Sweep,
    numbers: Sequence[int],
    *,
    actor: User | None,
    to_end: bool = False,
) -> Sweep:
    """Run trials of the sweep once more each, with the same values.

    With ``to_end`` no policy ends them early. They come beyond the budget; a completed
    sweep goes on for them. Raises NotPossible for trials or in states that do not allow
    it, and while others wait to run again.
    """
    with transaction.atomic():
        sweep.refresh_from_db(from_queryset=Sweep.objects.select_for_update())
        refusal = rerun_refusal(sweep) or _cannot_rerun(sweep, numbers)
        if refusal:
            raise NotPossible(refusal)
        how = ", and not end early" if to_end else ""
        lifecycle.run_again(
            sweep,
            numbers,
            message=f"{trials_named(numbers)} shall run once more{how}, with the same"
            " values.",
            to_end=to_end,
            actor=actor,
        )
    queues.wake_scheduler()
    return sweep


def rerun_refusal(sweep: Sweep) -> str:
    """Why no trial of the sweep can run again now; empty where some can."""
    if sweep.state not in {
        SweepState.RUNNING,
        SweepState.PAUSED,
        SweepState.COMPLETED,
    }:
        return (
            f"The sweep {sweep} is {sweep.state}; trials of a running, paused or"
            " completed sweep can run again. A clone of it can try the same values."
        )
    waiting = open_reruns(sweep)
    if waiting:
        verb = "waits" if len(waiting) == 1 else "wait"
        return f"{trials_named(waiting)} {verb} to run again already, for a free slot."
    return ""


def _cannot_rerun(sweep: Sweep, numbers: Sequence[int]) -> str:
    if not 1 <= len(numbers) <= MOST_RERUNS or len(set(numbers)) < len(numbers):
        return f"Name 1 to {MOST_RERUNS} different trials, such as 3, 8, 12."
    ended = sweep.trials.filter(state__in=TRIAL_RANKED, number__in=numbers)
    missing = set(numbers) - set(ended.values_list("number", flat=True))
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return (
            f"{trials_named(sorted(missing))} of {sweep} {verb} not among those that"
            " ended without failing; only these can run again."
        )
    if sweep.max_total_trials + len(numbers) > MOST_TRIALS:
        return f"A sweep has at most {MOST_TRIALS:,} trials, and {sweep} has no room."
    return ""


def trials_named(numbers: Sequence[int]) -> str:
    """``Trial 3``, ``Trials 3, 8 and 12``."""
    noun = "Trial" if len(numbers) == 1 else "Trials"
    return f"{noun} {listed([str(number) for number in numbers])}"


def change_sweep(
    sweep: Sweep, changes: Mapping[str, Any], *, actor: User | None
) -> Sweep:
    """Change limits, early termination, name, description, tags and notes.

    ``changes`` is a part of a sweep document with ``notes`` beside it; what it leaves
    out stays. The whole is checked like a new document. Raises DefinitionError, also
    for limits and early termination of a sweep that has ended.
    """
    with transaction.atomic():
        sweep.refresh_from_db(from_queryset=Sweep.objects.select_for_update())
        after = _checked(sweep, changes)
        before = {name: getattr(sweep, name) for name in after}
        changed = [name for name in after if after[name] != before[name]]
        if not changed:
            return sweep
        Sweep.objects.filter(pk=sweep.pk).update(
            **{name: after[name] for name in changed}, updated_at=Now()
        )
        Event.objects.create(
            team_id=sweep.experiment.team_id,
            actor=actor,
            sweep=sweep,
            verb="sweep changed",
            message=_change_words(sweep, changed, before=before, after=after),
            data={
                "before": {name: before[name] for name in changed},
                "after": {name: after[name] for name in changed},
            },
        )
    sweep.refresh_from_db()
    queues.wake_scheduler()
    return sweep


def _change_words(
    sweep: Sweep,
    changed: Sequence[str],
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> str:
    """What was changed; of the policy also from what to what."""
    others = ", ".join(name for name in changed if name != POLICY)
    sentences = [f"Changed {others}."] if others else []
    if POLICY in changed:
        sentences.append(_policy_change(sweep, before[POLICY], after[POLICY]))
    return " ".join(sentences)


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
    """A policy in a few words, such as ``median stopping after report 5``."""
    try:
        policy = make_policy(settings, sweep.objective)
    except DefinitionError:
        return "a policy of an unknown kind"
    return policy.in_words() if policy else "none"


def _checked(sweep: Sweep, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The new values of the sweep's columns, by column."""
    limits = dict(changes.get("limits") or {})
    searching = [f"limits.{name}" for name in limits]
    searching += [POLICY] * (POLICY in changes)
    if sweep.state in SWEEP_ENDS and searching:
        raise DefinitionError(Problem(path, _ended(sweep)) for path in searching)
    document = sweep_document(sweep)
    given = {name: changes[name] for name in TEXTS if name in changes}
    if POLICY in changes:
        given[POLICY] = changes[POLICY]
    document.update(given, limits={**document["limits"], **limits})
    columns = sweep_fields(parse_document(document), sweep.code)
    wanted = [name for name in LIMITS if name in limits]
    wanted += [TEXTS.get(name, name) for name in given]
    return {name: columns[name] for name in wanted} | _notes(changes)


def _ended(sweep: Sweep) -> str:
    return (
        f"The sweep is {sweep.state}; only display_name, description, tags and notes"
        " can be changed now."
    )


def _notes(changes: Mapping[str, Any]) -> dict[str, str]:
    if "notes" not in changes:
        return {}
    notes = changes["notes"] or ""
    if len(notes) > MOST_NOTES or "\0" in notes:
        sentence = f"notes has at most {MOST_NOTES:,} characters, none of them NUL."
        raise DefinitionError([Problem("notes", sentence)])
    return {"notes": notes}
