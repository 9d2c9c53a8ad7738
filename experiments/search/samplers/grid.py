"""Grid search: every configuration of a finite space in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from experiments.search.history import History
from experiments.search.problems import Problem
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.space import SearchSpace


@dataclass(frozen=True, kw_only=True)
class GridSampler(Sampler):
    """Trial k is the k-th point of the grid: document order, last parameter fastest.

    Only what is active has values to go through, and what the constraints rule out is
    passed over. A parameter on which others depend turns slower than they do.

    Azure's grid takes `choice` only. Here every distribution with finitely many values
    may take part: also randint, int, float with step, quniform and qloguniform.
    """

    kind: ClassVar[str] = "grid"
    needs_history: ClassVar[bool] = False

    @classmethod
    def space_problems(cls, space: SearchSpace) -> Iterator[Problem]:
        for axis in space.axes.values():
            law = axis.law
            if law.count() is None:
                yield Problem(
                    axis.name.partition(".")[0],
                    f"A grid needs values that can be listed, and {axis.address} is "
                    f"{law.kind}. Allowed are choice, randint, int, quniform, "
                    "qloguniform and float with step.",
                )

    def suggest(self, number: int, history: History | None = None) -> Suggestion | None:
        values = self.space.finite.values(number)
        if values is None:
            return None
        return Suggestion(self.space.layout.assembled(values), self.kind)

    def in_words(self, history: History | None = None) -> str:
        count = self.space.count_words()
        return f"Going through the grid in order: {count} configurations."
