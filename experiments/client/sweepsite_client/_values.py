"""Values, steps and times as the site takes them."""

from __future__ import annotations

import contextlib
import math
import operator
from typing import Any

MAX_NAME = 300  # the site takes 250, and says so
MAX_STEP = 2**63 - 1  # the site's


def as_value(value: Any) -> float | str:
    """A finite float, or text: for a non-finite one, or for what the site refuses."""
    if isinstance(value, (str, bytes)) or value is None:
        return str(value)[:MAX_NAME]
    try:
        number = float(value)
    except OverflowError:
        return "too large for a float"
    except (TypeError, ValueError, RuntimeError):
        return f"a {type(value).__name__}"
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def as_step(step: Any) -> int:
    """Raises TypeError for what is not a whole number."""
    if isinstance(step, float) and step.is_integer():
        return int(step)
    if not isinstance(step, bool):
        with contextlib.suppress(TypeError):
            return operator.index(step)
    raise TypeError(f"step is {step!r}; it must be a whole number such as 3")
