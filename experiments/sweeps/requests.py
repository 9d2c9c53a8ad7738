"""Trials that people request: run again, cloned with changes, or added by hand.

Requested trials are rows that run in their order, before the sampler's new trials and
beyond the budget. A sweep that has ended resumes for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db import transaction

from experiments import lifecycle, queues
from experiments.models import Sweep, TrialRequest, User
from experiments.models.sweeps import SweepState
from experiments.models.trials import (
    TRIAL_LIVE,
    Origin,
    TrialRequestQuerySet,
    TrialState,
)
from experiments.search.document.definition import parse_document
from experiments.search.document.limits import MAX_TRIALS
from experiments.search.fields import DefinitionError, Problem, listed
from experiments.search.space.params import CheckedParams, read_params
from experiments.search.space.space import SearchSpace
from experiments.sweeps.control import NotPossible, check_may_run


def waiting_requests(sweep: Sweep) -> TrialRequestQuerySet:
    """Those that wait; none where the sweep has ended, which carries out no more."""
    waiting = sweep.requests.waiting().order_by("pk")
    return waiting.none() if sweep.has_ended else waiting


def next_request(sweep: Sweep) -> TrialRequest | None:
    return waiting_requests(sweep).first()


def has_open_requests(sweep: Sweep) -> bool:
    """Whether a requested trial waits or runs."""
    return sweep.trials.live().requested().exists() or waiting_requests(sweep).exists()


def unchosen_before(sweep: Sweep, number: int) -> int:
    """How many trials below this number no sampler has chosen, deleted ones too."""
    requested = sweep.trials.requested().filter(number__lt=number).count()
    gone = sweep.requests.filter(number__lt=number, trial=None).count()
    return requested + gone + imported_before(sweep, number)


def imported_before(sweep: Sweep, number: int) -> int:
    """How many of the first numbers are of trials that ended elsewhere."""
    return sweep.trials.filter(origin=Origin.IMPORTED, number__lt=number).next_number()


# Trials that one request may run again.
MAX_AT_ONCE = 100
# Sentences name at most this many trials; the event's data has all.
MAX_NAMED = 20
RUN_AGAIN = "trials to run again"
ADDED = "trial added by hand"


class Added(NamedTuple):
    """A configuration that waits to be tried, and what of it the space does not have,
    in sentences."""

    trial_request: TrialRequest
    outside: tuple[str, ...]


def lock_to_request(sweep: Sweep, actor: User | None) -> None:
    """Read the sweep's row anew and keep others from changing it meanwhile. Raises
    NotPossible for a person who may not run its command."""
    check_may_run(actor, sweep)
    sweep.refresh_from_db(from_queryset=Sweep.objects.select_for_update(no_key=True))


def refusal_of(sweep: Sweep) -> str:
    """Why the sweep can try nothing more now; empty where it can."""
    if sweep.state == SweepState.DRAFT:
        return f"The sweep {sweep} has not begun; start it first."
    return ""


def room_refusal(sweep: Sweep, more: int) -> str:
    """Why the sweep has no room for `more` trials; empty if it has."""
    if sweep.max_total_trials + more > MAX_TRIALS:
        return f"A sweep has at most {MAX_TRIALS:,} trials, and {sweep} has no room."
    return ""


# --- again, with the same values ---------------------------------------------------


def run_again(
    sweep: Sweep, numbers: Sequence[int], *, actor: User | None, to_end: bool = False
) -> Sweep:
    """Run ended trials of the sweep once more each, with the same values.

    With ``to_end`` no policy ends them early. Raises NotPossible for trials or in
    states that do not allow it, and for trials that already wait to run again.
    """
    with transaction.atomic():
        lock_to_request(sweep, actor)
        refusal = rerun_refusal(sweep, numbers) or _cannot_rerun(sweep, numbers)
        if refusal:
            raise NotPossible(refusal)
        how = ", and not end early" if to_end else ""
        lifecycle.add_requests(
            sweep,
            _repetitions(sweep, numbers, to_end=to_end),
            verb=RUN_AGAIN,
            message=f"{trials_named(numbers)} will run again{how}, with the same"
            " values.",
            data={"trials": list(numbers)} | ({"to_end": True} if to_end else {}),
            actor=actor,
        )
    queues.wake_scheduler()
    return sweep


def rerun_refusal(sweep: Sweep, numbers: Sequence[int]) -> str:
    """Why these trials cannot run again now; empty where nothing is in the way."""
    return refusal_of(sweep) or _waiting_words(sweep, numbers)


def _waiting_words(sweep: Sweep, numbers: Sequence[int]) -> str:
    waiting = {
        trial_request.repeats for trial_request in waiting_requests(sweep)
    }.intersection(numbers)
    if not waiting:
        return ""
    named = trials_named([number for number in numbers if number in waiting])
    verb = "waits" if len(waiting) == 1 else "wait"
    return f"{named} already {verb} to run again."


def _cannot_rerun(sweep: Sweep, numbers: Sequence[int]) -> str:
    if not 1 <= len(numbers) <= MAX_AT_ONCE or len(set(numbers)) < len(numbers):
        return f"Name 1 to {MAX_AT_ONCE} different trials, such as 3, 8, 12."
    found = list(sweep.trials.filter(number__in=numbers).values_list("number", "state"))
    if unknown := set(numbers) - {number for number, _ in found}:
        named = trials_named(sorted(unknown))
        return f"{sweep} has no {named[:1].lower()}{named[1:]}."
    ended = {number for number, state in found if state not in TRIAL_LIVE}
    missing = set(numbers) - ended
    if missing:
        return (
            f"{trials_named(sorted(missing))} of {sweep} cannot run again: only trials"
            " that have ended can."
        )
    return room_refusal(sweep, len(numbers))


def _repetitions(
    sweep: Sweep, numbers: Sequence[int], *, to_end: bool
) -> list[TrialRequest]:
    found = sweep.trials.filter(number__in=numbers)
    trials = {trial.number: trial for trial in found}
    return [
        repetition(number, trials[number].params, trials[number].state, to_end=to_end)
        for number in numbers
    ]


def repetition(
    number: int, params: Mapping[str, Any], state: str, *, to_end: bool = False
) -> TrialRequest:
    """An ended trial's values once more: a failed one is retried, others re-run."""
    return TrialRequest(
        params=params,
        origin=Origin.RETRY if state == TrialState.FAILED else Origin.RERUN,
        source_number=number,
        runs_to_end=to_end,
    )


def trials_named(numbers: Sequence[int]) -> str:
    """``Trial 3``, ``Trials 3, 8 and 12``; of very many the first."""
    noun = "Trial" if len(numbers) == 1 else "Trials"
    names: list[object] = list(numbers[:MAX_NAMED])
    if len(numbers) > MAX_NAMED:
        names.append(f"{len(numbers) - MAX_NAMED} more")
    return f"{noun} {listed(names)}"


# --- with given values -------------------------------------------------------------


def add_trial(
    sweep: Sweep,
    params: Mapping[str, object],
    *,
    actor: User | None,
    clone_of: int | None = None,
    to_end: bool = False,
) -> Added:
    """Request a trial with these values, which may be outside the search space.

    ``clone_of`` is the number of the trial whose values were changed. Raises
    NotPossible in states that do not allow it, DefinitionError for wrong values.
    """
    with transaction.atomic():
        lock_to_request(sweep, actor)
        given = read_values(sweep, params)
        refusal = refusal_of(sweep) or room_refusal(sweep, 1)
        if refusal:
            raise NotPossible(refusal)
        requested = TrialRequest(
            params=given.params,
            origin=Origin.BY_HAND if clone_of is None else Origin.CLONE,
            source_number=clone_of,
            runs_to_end=to_end,
        )
        (trial_request,) = lifecycle.add_requests(
            sweep,
            [requested],
            verb=ADDED,
            message=_added_words(clone_of, given, to_end=to_end),
            data={"params": dict(given.params), "clone_of": clone_of},
            actor=actor,
        )
    queues.wake_scheduler()
    return Added(trial_request, given.outside)


def read_values(sweep: Sweep, params: Mapping[str, object]) -> CheckedParams:
    """The values checked against the space that the sweep has now."""
    return read_params(space_of(sweep), params)


def space_of(sweep: Sweep) -> SearchSpace:
    """Raises NotPossible for a document of an earlier version that no longer reads."""
    try:
        return parse_document(sweep.definition).search_space
    except DefinitionError as error:
        problem: Problem = error.problems[0]
        words = f"The document of {sweep} does not read: {problem}"
        raise NotPossible(words) from error


def _added_words(clone_of: int | None, given: CheckedParams, *, to_end: bool) -> str:
    what = "A trial with given values"
    if clone_of is not None:
        what = f"Trial {clone_of} with changed values"
    how = " and not end early" if to_end else ""
    words = f"{what} will run{how}."
    return " ".join([words, *(f"Outside the search space: {s}" for s in given.outside)])


def withdraw(trial_request: TrialRequest, *, actor: User | None) -> None:
    """Take back a trial that waits to run. Raises NotPossible when it does not."""
    if not lifecycle.withdraw_request(trial_request, actor=actor):
        raise NotPossible(
            f"That trial of {trial_request.sweep} no longer waits: it was started or"
            " removed."
        )
    queues.wake_scheduler()
