"""What people do with several trials of a sweep at once. Each act is one transaction
with one event, and names the trials by their numbers, such as ``3,8,12-20``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from django.db import transaction
from django.db.models.functions import Now

from experiments import lifecycle, queues
from experiments.models import Event, Sweep, User
from experiments.models.trials import TRIAL_ENDS
from experiments.search.document.limits import MAX_TRIALS
from experiments.search.fields import shown
from experiments.search.wording import counted
from experiments.sweeps.control import NotPossible

# Enough for the numbers of as many trials, each with a comma and blanks.
MAX_AT_ONCE, MAX_TEXT = 10_000, 100_000
PART = re.compile(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?")


def picked_numbers(text: str) -> list[int]:
    """The numbers of ``3,8,12-20``, each once. Raises NotPossible for anything else."""
    if len(text) > MAX_TEXT:
        raise NotPossible(
            f"The numbers of the trials have {len(text):,} characters; at most"
            f" {MAX_TEXT:,} are allowed. Use ranges, or narrow the filter."
        )
    ranges = list(_merged(sorted(map(_ends, text.split(",")))))
    # A short text can name the same 100,000 trials many times.
    _check_count(sum(last + 1 - first for first, last in ranges))
    return [number for first, last in ranges for number in range(first, last + 1)]


def _ends(part: str) -> tuple[int, int]:
    match = PART.fullmatch(part)
    if match is None:
        raise NotPossible(
            f"{shown(part)} is not the number of a trial. Use numbers and ranges, such"
            " as 3,8,12-20."
        )
    first = int(match[1])
    return first, min(int(match[2] or first), MAX_TRIALS)


def _merged(ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Those that are not empty, in order, without what an earlier one has."""
    free = 0
    for first, last in ranges:
        if last >= max(first, free):
            yield max(first, free), last
            free = last + 1


def check_picked(numbers: Sequence[int]) -> None:
    """Raises NotPossible for no trials and for too many."""
    _check_count(len(numbers))


def _check_count(count: int) -> None:
    if not count:
        raise NotPossible("Select at least one trial.")
    if count > MAX_AT_ONCE:
        raise NotPossible(
            f"At most {MAX_AT_ONCE:,} trials at once, not {count:,}. Narrow the filter."
        )


def cancel_trials(
    sweep: Sweep, numbers: Sequence[int], *, actor: User
) -> Sequence[int]:
    """Ask those that are live to stop; their numbers."""
    message = f"Cancelled by {actor.display_name}."
    asked = lifecycle.cancel_trials(sweep, numbers, actor=actor, message=message)
    if not asked:
        raise NotPossible("None of these trials is queued or running.")
    queues.wake_scheduler()
    return asked


def archive_trials(
    sweep: Sweep, numbers: Sequence[int], *, away: bool, actor: User
) -> Sequence[int]:
    """Hide ended trials from the table, or show them again; the numbers of those that
    changed. They still count for the search and for the best value."""
    trials = sweep.trials.filter(
        number__in=numbers, state__in=TRIAL_ENDS, archived_at__isnull=away
    )
    with transaction.atomic():
        changed = list(trials.order_by("number").values_list("number", flat=True))
        if not changed:
            raise NotPossible(
                "Only ended trials that are not archived yet can be archived."
                if away
                else "None of these trials is archived."
            )
        trials.update(archived_at=Now() if away else None, updated_at=Now())
        done, data = "archived" if away else "restored", {"trials": changed}
        message = f"{counted(len(changed), 'trial')} {done}."
        Event.log(f"trials {done}", message, actor=actor, sweep=sweep, data=data)
    return changed
