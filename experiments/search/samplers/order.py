"""Which axes have an order."""

from __future__ import annotations

import numpy as np

from experiments.search.choice import Choice
from experiments.search.distribution import Distribution
from experiments.search.fields import is_number

# From so many numbers on, a choice among rising or falling ones has an order.
LEAST_RISING = 3


def has_order(law: Distribution) -> bool:
    """Whether values that are next to each other are alike.

    Those of every distribution are, but for a choice: only one among numbers that only
    rise or only fall has an order.
    """
    if not isinstance(law, Choice):
        return True
    values = [value for value in law.distinct if is_number(value)]
    if len(values) != len(law.distinct) or len(values) < LEAST_RISING:
        return False
    steps = np.sign(np.diff(np.array(values, np.float64)))
    return bool(np.all(steps == 1) or np.all(steps == -1))
