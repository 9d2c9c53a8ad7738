"""The bounds `min` and `max` of a foreign distribution."""

from __future__ import annotations

from experiments.search.importers.source import Source


def bounds_of(law: Source, *, positive: bool = False) -> tuple[float, float] | None:
    """Both bounds; None when one is missing or wrong, which is noted.

    Those of a logarithmic distribution of values have to be `positive`.
    """
    low, high = (_bound(law, key, positive) for key in ("min", "max"))
    return None if low is None or high is None else (low, high)


def are_ordered(law: Source, low: float, high: float) -> bool:
    """Whether the bounds are in order; noted with their own numbers if not.

    For those that stand in our document as other numbers, such as their logarithms.
    """
    if low > high:
        law.problem("max", f"max must be at least min, {low:g}, not {high:g}.")
    return low <= high


def _bound(law: Source, key: str, positive: bool) -> float | None:
    bound = law.number(key)
    if bound is None and not law.has(key):
        law.problem(key, f"{key} is required for this distribution.")
    elif bound is not None and positive and bound <= 0:
        message = f"{key} must be above 0 for this distribution, not {bound:g}."
        law.problem(key, message)
        return None
    return bound
