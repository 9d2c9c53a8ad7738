"""Which early-termination policy the form proposes, and why."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.search.termination import POLICIES

# For a fixed number of trials, the first that there is.
CAUTIOUS = ("predictive", "median_stopping")
# For a fixed amount of compute.
THRIFTY = "asha"


@dataclass(frozen=True)
class Proposal:
    """A kind of policy, and the reason in one sentence."""

    kind: str
    why: str


def cautious() -> str:
    """What is proposed where the number of trials is fixed, and for a new form."""
    return next(kind for kind in CAUTIOUS if kind in POLICIES)


def proposal(timeout: str) -> Proposal:
    """The policy for a sweep with this time limit, as text; empty for none."""
    time = timeout.strip()
    if not time:
        why = "Here the number of trials is fixed, and no good one must be lost."
        return Proposal(cautious(), why)
    why = (
        f"Here the time is fixed, {time[:20]}, and an early end makes room for others."
    )
    return Proposal(THRIFTY, why)
