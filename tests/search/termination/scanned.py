"""Evidence as whole curves, every question answered by a scan of all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.search.records import Objective
from experiments.search.termination import Policy
from experiments.search.termination.evidence import (
    MAX_FINISHED,
    Evidence,
    Finished,
    Ranked,
    Rivals,
    Standing,
    Verdict,
)


def standing(losses: Sequence[float]) -> Standing:
    """The standing after some losses, computed from all of them at once."""
    return Standing(len(losses), min(finite(losses), default=math.inf), losses[-1])


def finite(losses: Sequence[float]) -> list[float]:
    return [loss for loss in losses if math.isfinite(loss)]


class ScannedTrial(NamedTuple):
    best: float
    mean: float
    value: float

    @classmethod
    def of(cls, losses: Sequence[float]) -> ScannedTrial:
        known = finite(losses)
        mean = math.fsum(known) / len(known) if known else math.inf
        return cls(min(known, default=math.inf), mean, (known or [math.inf])[-1])


class ScannedRivals(Rivals):
    def __init__(
        self, stands: Mapping[int, ScannedTrial], running: set[int], *, own: int
    ) -> None:
        self.stands = stands
        self.running = running
        self.own = own

    def __len__(self) -> int:
        return len(self.stands)

    def leader(self) -> Ranked | None:
        known = [r for r in self._by_best() if math.isfinite(r.loss)]
        return known[0] if known else None

    def ranked_by_mean(self, place: int, count: int) -> list[Ranked]:
        means = [Ranked(number, stand.mean) for number, stand in self.stands.items()]
        ranked = sorted(means, key=lambda one: (one.loss, one.number))
        return ranked[place : place + count]

    def median_of_means(self) -> tuple[float, tuple[int, ...]]:
        means = sorted((stand.mean, number) for number, stand in self.stands.items())
        if not means:
            return math.inf, ()
        middle = means[(len(means) - 1) // 2 : len(means) // 2 + 1]
        median = sum(mean / len(middle) for mean, _ in middle)
        return median, tuple(sorted(number for _, number in middle))

    def better_than(self, loss: float) -> int:
        return sum(stand.best < loss for stand in self.stands.values())

    def ranked(self, place: int) -> Ranked:
        return self._by_best()[place]

    def ranked_by_value(self, place: int) -> Ranked:
        values = [Ranked(number, stand.value) for number, stand in self.stands.items()]
        return sorted(values, key=lambda one: (one.loss, one.number))[place]

    def before(self, count: int) -> list[Ranked]:
        lower = sorted(n for n in self.stands if n < self.own)
        return [Ranked(n, self.stands[n].best) for n in lower[::-1][:count]]

    def only_running(self) -> Rivals:
        kept = {n: stand for n, stand in self.stands.items() if n in self.running}
        return ScannedRivals(kept, self.running, own=self.own)

    def _by_best(self) -> list[Ranked]:
        ranked = [Ranked(number, stand.best) for number, stand in self.stands.items()]
        return sorted(ranked, key=lambda one: (one.loss, one.number))


class ScannedFinished(Finished):
    def __init__(self, curves: Mapping[int, Sequence[float]], best: float) -> None:
        self.kept = dict(sorted(curves.items())[-MAX_FINISHED:])
        self.best = best

    @property
    def numbers(self) -> NDArray[np.int64]:
        return np.array(list(self.kept), np.int64)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.array([len(curve) for curve in self.kept.values()], np.int64)

    def curves(self) -> list[NDArray[np.float64]]:
        return [np.array(curve, float) for curve in self.kept.values()]

    def best_of_all(self) -> float:
        return self.best


class ScannedEvidence(Evidence):
    """The latest report of `number` among curves of losses.

    `ended` are the trials that do not run any more, `completed` those of them that
    ran to their own end.
    """

    def __init__(
        self,
        number: int,
        curves: Mapping[int, Sequence[float]],
        *,
        ended: Sequence[int] = (),
        completed: Sequence[int] = (),
    ) -> None:
        self.curves = curves
        self.running = set(curves) - set(ended) - set(completed)
        self.completed = completed
        self._number = number

    @property
    def number(self) -> int:
        return self._number

    @property
    def report(self) -> int:
        return len(self.curves[self.number])

    @property
    def own(self) -> Standing:
        return standing(self.curves[self.number])

    def losses(self) -> NDArray[np.float64]:
        return np.array(self.curves[self.number], float)

    @property
    def rivals(self) -> Rivals:
        return self.rivals_at(self.report)

    def rivals_at(self, report: int) -> Rivals:
        stands = {
            number: ScannedTrial.of(curve[:report])
            for number, curve in self.curves.items()
            if number != self.number and len(curve) >= report
        }
        return ScannedRivals(stands, self.running, own=self.number)

    @property
    def finished(self) -> Finished:
        others = {n: curve for n, curve in self.curves.items() if n != self.number}
        curves = {
            number: others[number]
            for number in self.completed
            if any(math.isfinite(loss) for loss in others[number])
        }
        best = min((standing(c).best for c in others.values() if c), default=math.inf)
        return ScannedFinished(curves, best)


def losses(objective: Objective, values: Sequence[float]) -> list[float]:
    return [objective.loss(value) for value in values]


def judged(
    policy: Policy,
    values: Sequence[float],
    others: Mapping[int, Sequence[float]],
    *,
    number: int = 1000,
    ended: Sequence[int] = (),
    completed: Sequence[int] = (),
) -> Verdict:
    """The verdict on a curve, after its last value, among others."""
    curves = {k: losses(policy.objective, curve) for k, curve in others.items()}
    curves[number] = losses(policy.objective, values)
    evidence = ScannedEvidence(number, curves, ended=ended, completed=completed)
    verdict = policy.judge(evidence)
    assert policy.ends(evidence) is verdict.stop
    return verdict
