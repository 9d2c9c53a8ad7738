"""What may be done about failures: choices with their consequences, and doing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiments import edits, further_trials, lifecycle, queues, steering
from experiments.causes import Cause
from experiments.failures import FailureGroup
from experiments.models import Sweep, User
from experiments.models.sweeps import SweepState
from experiments.pages.sweep.failure_shares import shares_of
from experiments.search.definition import parse_document
from experiments.search.figures import counted
from experiments.submission import create_sweep, sweep_document
from experiments.words import bytes_text, duration_text

# What is put right outside of the sweep; then it can go on as it is.
OUTSIDE = frozenset(
    {"module", "import", "disk", "gpu", "network", "permission", "file"}
)


@dataclass(frozen=True)
class Remedy:
    """One choice. ``note`` stands at its right, ``text`` says what happens."""

    value: str
    name: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Situation:
    """What the choices depend on. ``left``: trials that were not started."""

    sweep: Sweep
    group: FailureGroup | None
    cause: Cause | None
    constraint: str
    left: int

    @property
    def ended(self) -> bool:
        return self.sweep.has_ended


def remedies(now: Situation) -> list[Remedy]:
    """The choices, the proposed one first."""
    found = [remedy for find in CHOICES for remedy in find(now)]
    proposed = next((r for r in found if r.value == _proposed(now)), None)
    if proposed is None:
        return found
    first = Remedy(proposed.value, proposed.name, proposed.text, "proposed")
    return [first, *(r for r in found if r is not proposed)]


def _proposed(now: Situation) -> str:
    if now.constraint:
        return "exclude"
    if now.cause is not None and now.cause.kind in OUTSIDE:
        return "go_on"
    return "copy"


def _exclude(now: Situation) -> Iterator[Remedy]:
    if not now.constraint:
        return
    if now.ended:
        text = "A draft with this constraint; everything else stays as it is here."
        yield Remedy("exclude", f"Copy with {now.constraint}", text)
    else:
        text = (
            "New trials keep to this constraint from now on; what was tried stays. The"
            f" search goes on with {counted(now.left, 'trial')}."
        )
        yield Remedy("exclude", f"Go on with {now.constraint}", text)


def _more_time(now: Situation) -> Iterator[Remedy]:
    limit = now.sweep.trial_timeout
    timed_out = now.group is None or now.group.reason == "trial_timeout"
    if limit is None or not timed_out:
        return
    name = f"Give each trial {duration_text(2 * limit)}"
    before = f"Twice the {duration_text(limit)} of now."
    if now.ended:
        yield Remedy("more_time", name, f"A draft with this limit. {before}")
    else:
        yield Remedy("more_time", name, f"{before} For trials that start from now on.")


def _more_memory(now: Situation) -> Iterator[Remedy]:
    memory = _memory(now.sweep)
    if memory is None or now.cause is None or now.cause.kind != "memory":
        return
    yield Remedy(
        "more_memory",
        f"Give each trial {bytes_text(2 * memory)}",
        f"A draft with twice the resources.memory of {bytes_text(memory)}.",
    )


def _memory(sweep: Sweep) -> int | None:
    memory = (sweep.definition.get("resources") or {}).get("memory")
    return memory if isinstance(memory, int) else None


def _retry(now: Situation) -> Iterator[Remedy]:
    if now.group is None:
        return
    count = min(now.group.count, further_trials.MOST_AT_ONCE)
    which = "it runs" if count == 1 else "they run"
    name = f"Run the {count} trials again" if count > 1 else "Run the trial again"
    text = f"Put right what was wrong first; {which} with the same values"
    text += ", beyond the budget." if not now.ended else "; the others do not start."
    yield Remedy("retry", name, text, "after a repair")


def _copy(now: Situation) -> Iterator[Remedy]:
    yield Remedy(
        "copy",
        "Repair the code and start a copy",
        "Opens the form with everything as it is here, for the repaired files. Nothing"
        " runs before you start it, and one configuration can be tried first.",
        "your change",
    )


def _go_on(now: Situation) -> Iterator[Remedy]:
    # Nothing of the sweep changes, so without a repair it would fail as before.
    name = "Go on once it is put right"
    if now.sweep.state == SweepState.PAUSED:
        text = "New trials start, and failures are counted anew."
        yield Remedy("go_on", name, text, "after a repair")
    elif now.ended and now.left and not now.sweep.exhausted:
        others = f"The other {counted(now.left, 'trial')}"
        starts = "starts" if now.left == 1 else "start"
        text = f"{others} {starts}, and failures are counted anew."
        yield Remedy("go_on", name, text, "after a repair")


CHOICES: tuple[Callable[[Situation], Iterator[Remedy]], ...] = (
    _exclude,
    _more_memory,
    _more_time,
    _copy,
    _retry,
    _go_on,
)


# --- doing them -------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """What to say, and a draft to look at instead of the sweep."""

    said: str
    draft: Sweep | None = None


def do_remedy(now: Situation, value: str, *, actor: User) -> Done:
    """Do one of the choices. Raises NotPossible and DefinitionError, and KeyError for
    a choice that there is not."""
    if value not in {remedy.value for remedy in remedies(now)}:
        raise KeyError(value)
    return DOINGS[value](now, actor)


def _do_exclude(now: Situation, actor: User) -> Done:
    rules = [*(now.sweep.definition.get("constraints") or ()), now.constraint]
    if now.ended:
        return _draft(now, {"constraints": rules}, actor)
    edits.change_sweep(now.sweep, {"constraints": rules}, actor=actor)
    _resume(now.sweep, actor)
    return Done(f"{now.sweep} goes on with {now.constraint}.")


def _do_more_time(now: Situation, actor: User) -> Done:
    limit = 2 * (now.sweep.trial_timeout or 0)
    if now.ended:
        limits = {**sweep_document(now.sweep)["limits"], "trial_timeout": limit}
        return _draft(now, {"limits": limits}, actor)
    edits.change_sweep(now.sweep, {"limits": {"trial_timeout": limit}}, actor=actor)
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
        most = further_trials.MOST_AT_ONCE
        numbers = list(trials.values_list("number", flat=True)[:most])
    further_trials.run_again(now.sweep, numbers, actor=actor)
    _resume(now.sweep, actor)
    return Done(f"{further_trials.trials_named(numbers)} will run once more.")


def _do_go_on(now: Situation, actor: User) -> Done:
    if now.ended:
        steering.extend(now.sweep, now.left, actor=actor)
    else:
        _resume(now.sweep, actor)
    return Done(f"{now.sweep} goes on.")


def _do_copy(now: Situation, actor: User) -> Done:
    return _draft(now, {}, actor)


def _resume(sweep: Sweep, actor: User) -> None:
    if lifecycle.resume_sweep(sweep, actor=actor):
        queues.wake_scheduler()


def _draft(now: Situation, changes: Mapping[str, Any], actor: User) -> Done:
    """A draft of the sweep's document with some parts changed."""
    definition = parse_document({**sweep_document(now.sweep), **changes})
    experiment = now.sweep.experiment
    draft = create_sweep(experiment.team, definition, user=actor, experiment=experiment)
    return Done(f"Draft {draft} is a copy of {now.sweep}.", draft)


DOINGS: Mapping[str, Callable[[Situation, User], Done]] = {
    "exclude": _do_exclude,
    "more_time": _do_more_time,
    "more_memory": _do_more_memory,
    "retry": _do_retry,
    "copy": _do_copy,
    "go_on": _do_go_on,
}


def constraint_of(sweep: Sweep, group: FailureGroup | None) -> str:
    """What leaves the region out in which the group failed; "" where none is clear."""
    shares = shares_of(sweep, group) if group else None
    return shares.constraint if shares else ""
