"""Trials that people want beside the sampler's: which wait, and which are under way.

Each is a row, and so is never lost. They are carried out before the sampler is asked
for anything new, in the order in which they were asked for.
"""

from __future__ import annotations

from experiments.models import Sweep, Wish
from experiments.models.trials import Origin
from experiments.models.wishes import WishQuerySet


def waiting_wishes(sweep: Sweep) -> WishQuerySet:
    """Those that wait; none where the sweep has ended, which carries out no more."""
    waiting = sweep.wishes.waiting().order_by("pk")
    return waiting.none() if sweep.has_ended else waiting


def next_wish(sweep: Sweep) -> Wish | None:
    return waiting_wishes(sweep).first()


def wishes_under_way(sweep: Sweep) -> bool:
    """Whether a trial that somebody asked for waits or runs."""
    return sweep.trials.live().requested().exists() or waiting_wishes(sweep).exists()


def unchosen_before(sweep: Sweep, number: int) -> int:
    """How many trials below this number no sampler has chosen, deleted ones too."""
    wished = sweep.trials.requested().filter(number__lt=number).count()
    gone = sweep.wishes.filter(number__lt=number, trial=None).count()
    return wished + gone + imported_before(sweep, number)


def imported_before(sweep: Sweep, number: int) -> int:
    """How many of the first numbers are of trials that ended elsewhere."""
    return sweep.trials.filter(origin=Origin.IMPORTED, number__lt=number).next_number()
