"""What people can do about failures: choices with their consequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from experiments import lifecycle, queues
from experiments.failures.common_values import compare_failed, constraint_of
from experiments.failures.groups import FailureGroup
from experiments.failures.known_errors import KnownError, known_error
from experiments.formatting import bytes_text, duration_text
from experiments.models import Sweep, User
from experiments.models.sweeps import SweepState
from experiments.search.document.definition import parse_document
from experiments.search.wording import counted
from experiments.sweeps import control, editing, requests
from experiments.sweeps.creation import create_sweep, sweep_document
from experiments.sweeps.progress import not_started

# Errors that are fixed outside the sweep, which then resumes unchanged.
NO_CHOICE = "Choose what to do. The choices may have changed since you loaded the page."
OUTSIDE = frozenset(
    {"module", "import", "disk", "gpu", "network", "permission", "file"}
)


@dataclass(frozen=True)
class Remedy:
    """One choice. ``note`` is shown at its right, ``text`` says what happens."""

    value: str
    name: str
    text: str
    note: str = ""


# Name, text and note of a choice; None where it does not apply.
Offer = tuple[str, str, str] | None


@dataclass(frozen=True)
class Situation:
    """What the choices depend on. ``left``: how many trials were not started."""

    sweep: Sweep
    group: FailureGroup | None
    cause: KnownError | None
    constraint: str
    left: int

    @property
    def ended(self) -> bool:
        return self.sweep.has_ended


def remedies(now: Situation) -> list[Remedy]:
    """The choices, the proposed one first."""
    offers = {value: offer(now) for value, (offer, _) in CHOICES.items()}
    found = [Remedy(value, *offer) for value, offer in offers.items() if offer]
    return proposed_first(found, _proposed(now))


def proposed_first(found: Sequence[Remedy], value: str) -> list[Remedy]:
    """The choices with the proposed one, if it is among them, marked and first."""
    first = [replace(r, note="proposed") for r in found if r.value == value]
    return [*first, *(r for r in found if r.value != value)]


def _proposed(now: Situation) -> str:
    if now.constraint:
        return "exclude"
    if now.cause is not None and now.cause.kind in OUTSIDE:
        return "resume"
    return "copy"


# --- offering them ------------------------------------------------------------------


def _exclude(now: Situation) -> Offer:
    if not now.constraint:
        return None
    if now.ended:
        text = "Makes a draft with this constraint; nothing else changes."
        return f"Copy with {now.constraint}", text, ""
    text = (
        "New trials follow this constraint; existing trials stay. The search continues"
        f" with {counted(now.left, 'trial')}."
    )
    return f"Resume with {now.constraint}", text, ""


def _more_time(now: Situation) -> Offer:
    limit = now.sweep.trial_timeout
    timed_out = now.group is None or now.group.reason == "trial_timeout"
    if limit is None or not timed_out:
        return None
    text = f"Twice the current {duration_text(limit)}, for trials that start later."
    if now.ended:
        text = f"Makes a draft with twice the limit of {duration_text(limit)}."
    return f"Give each trial {duration_text(2 * limit)}", text, ""


def _more_memory(now: Situation) -> Offer:
    memory = _memory(now.sweep)
    if memory is None or now.cause is None or now.cause.kind != "memory":
        return None
    text = f"Makes a draft with twice the resources.memory of {bytes_text(memory)}."
    return f"Give each trial {bytes_text(2 * memory)}", text, ""


def _memory(sweep: Sweep) -> int | None:
    memory = (sweep.definition.get("resources") or {}).get("memory")
    return memory if isinstance(memory, int) else None


def _retry(now: Situation) -> Offer:
    if now.group is None:
        return None
    count = min(now.group.count, requests.MAX_AT_ONCE)
    which = "it runs" if count == 1 else "they run"
    name = f"Run the {count} trials again" if count > 1 else "Run the trial again"
    text = f"Fix the cause first; {which} with the same values"
    text += " and in addition to the budget." if not now.ended else "; no others start."
    return name, text, "after a fix"


def _copy(now: Situation) -> Offer:
    text = (
        "Opens the form with the same settings, for the fixed files. Nothing runs until"
        " you start it, and you can test one configuration first."
    )
    return "Fix the code and start a copy", text, "your change"


def _offer_resume(now: Situation) -> Offer:
    if now.sweep.state == SweepState.PAUSED:
        start = "New trials start"
    elif now.ended and now.left and not now.sweep.exhausted:
        start = f"The other {now.left:,} trials start"
        start = "The last trial starts" if now.left == 1 else start
    else:
        return None
    text = f"{start}, and the count of failures starts at 0 again."
    return "Resume once it is fixed", text, "after a fix"


# --- doing them -------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """``message`` says what was done; ``draft`` is a new sweep to look at."""

    message: str
    draft: Sweep | None = None


def do_remedy(now: Situation, value: str, *, actor: User) -> Done:
    """Do one of the choices. Raises NotPossible and DefinitionError."""
    if value not in {remedy.value for remedy in remedies(now)}:
        raise control.NotPossible(NO_CHOICE)
    return CHOICES[value][1](now, actor)


def _do_exclude(now: Situation, actor: User) -> Done:
    rules = [*(now.sweep.definition.get("constraints") or ()), now.constraint]
    if now.ended:
        return _draft(now, {"constraints": rules}, actor)
    control.check_may_run(actor, now.sweep)
    editing.change_sweep(now.sweep, {"constraints": rules}, actor=actor)
    _resume(now.sweep, actor)
    return Done(f"{now.sweep} resumed with {now.constraint}.")


def _do_more_time(now: Situation, actor: User) -> Done:
    limit = 2 * (now.sweep.trial_timeout or 0)
    if now.ended:
        limits = {**sweep_document(now.sweep)["limits"], "trial_timeout": limit}
        return _draft(now, {"limits": limits}, actor)
    control.check_may_run(actor, now.sweep)
    editing.change_sweep(now.sweep, {"limits": {"trial_timeout": limit}}, actor=actor)
    _resume(now.sweep, actor)
    return Done(f"New trials of {now.sweep} have {duration_text(limit)}.")


def _do_more_memory(now: Situation, actor: User) -> Done:
    resources = dict(now.sweep.definition.get("resources") or {})
    resources["memory"] = 2 * (_memory(now.sweep) or 0)
    return _draft(now, {"resources": resources}, actor)


def _do_retry(now: Situation, actor: User) -> Done:
    numbers: list[int] = []
    if now.group is not None:
        trials = now.group.trials_of(now.sweep).order_by("number")
        most = requests.MAX_AT_ONCE
        numbers = list(trials.values_list("number", flat=True)[:most])
    requests.run_again(now.sweep, numbers, actor=actor)
    _resume(now.sweep, actor)
    return Done(f"{requests.trials_named(numbers)} will run again.")


def _do_resume(now: Situation, actor: User) -> Done:
    if now.ended:
        control.extend(now.sweep, now.left, actor=actor)
    else:
        _resume(now.sweep, actor)
    return Done(f"{now.sweep} resumed.")


def _do_copy(now: Situation, actor: User) -> Done:
    return _draft(now, {}, actor)


def _resume(sweep: Sweep, actor: User) -> None:
    control.check_may_run(actor, sweep)
    if lifecycle.resume_sweep(sweep, actor=actor):
        queues.wake_scheduler()


def _draft(now: Situation, changes: Mapping[str, Any], actor: User) -> Done:
    """A draft of the sweep's document with some parts changed."""
    definition = parse_document({**sweep_document(now.sweep), **changes})
    experiment = now.sweep.experiment
    draft = create_sweep(experiment.team, definition, user=actor, experiment=experiment)
    return Done(f"Draft {draft} is a copy of {now.sweep}.", draft)


CHOICES: Mapping[
    str,
    tuple[Callable[[Situation], Offer], Callable[[Situation, User], Done]],
] = {
    "exclude": (_exclude, _do_exclude),
    "more_memory": (_more_memory, _do_more_memory),
    "more_time": (_more_time, _do_more_time),
    "copy": (_copy, _do_copy),
    "retry": (_retry, _do_retry),
    "resume": (_offer_resume, _do_resume),
}


def picked_group(groups: Sequence[FailureGroup], signature: str) -> FailureGroup | None:
    """The group with that signature, else the most frequent one."""
    picked = [group for group in groups if signature and group.signature == signature]
    return next(iter([*picked, *groups]), None)


def situation_of(sweep: Sweep, group: FailureGroup | None) -> Situation:
    """``group``: the failed trials that it is about."""
    cause = known_error(group.words if group else "")
    found = compare_failed(sweep, group) if group else None
    constraint = constraint_of(sweep, found) if found else ""
    return Situation(sweep, group, cause, constraint, not_started(sweep))
