"""The trade-off: savings against losses, over a range of a setting of each policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.models import Sweep
from experiments.pages.simulator.policy_words import Settings, kind_name, setting_phrase
from experiments.search.simulation import Evaluation, Recording
from experiments.search.simulation.families import PolicyFamily, families
from experiments.search.simulation.figures import Average
from experiments.search.simulation.recording import sample
from experiments.search.wording import counted
from experiments.tracking.policy_simulations import (
    Answer,
    Question,
    SimulationResult,
    trade_off_size,
)
from experiments.tracking.recordings import Mark

# These kinds are drawn only if entered: bounds have no usual range.
APART = ("threshold", "patience")
LESS_SAVED = (
    "A trial that was really ended early is assumed to continue if a policy does not"
    " end it, so the lines understate the savings."
)


@dataclass(frozen=True)
class TradeOff:
    """The families to draw, and the question whose answers are their points."""

    families: list[PolicyFamily]
    own: Settings
    question: Question
    recording: Recording

    def model(self, sweep: Sweep, result: SimulationResult) -> dict[str, Any]:
        """The data of the chart, once everything is answered."""
        answers = iter(result.answers)
        drawn = [
            self._line(family, index, answers)
            for index, family in enumerate(self.families)
        ]
        happened = Evaluation(self.recording).happened
        return {
            "metric": sweep.primary_metric,
            "families": drawn,
            "happened": {
                "saved": happened.saved,
                "name": "what happened",
            },
            "note": self.note(),
        }

    def _line(
        self, family: PolicyFamily, index: int, answers: Iterator[Answer | None]
    ) -> dict[str, Any]:
        points = []
        for member, average in zip(family.members, answers, strict=False):
            if isinstance(average, Average):
                points.append(self._point(family, member, average))
        return {
            "name": kind_name(family.kind),
            "field": family.field.replace("_", " "),
            "own": index == 0,
            "points": points,
        }

    def _point(
        self, family: PolicyFamily, member: Settings, average: Average
    ) -> dict[str, Any]:
        return {
            "words": setting_phrase(
                family.field, member[family.field], kind=family.kind
            ),
            "saved": average.saved,
            "places": average.places,
            "regret": average.regret,
            "ended": average.ended,
            "current": dict(member) == dict(self.own),
        }

    def note(self) -> str:
        """How the lines were computed."""
        orders = self.question.orders
        text = (
            "Trials in one shuffled order"
            if orders == 1
            else f"Mean of {orders} simulations with trials in shuffled order"
        )
        drawn = sample(self.recording, self.question.reports)
        trials, of = len(drawn.numbers), len(self.recording.numbers)
        if trials < of:
            text += f", with {counted(trials, 'trial')} drawn from {of:,}"
        cut_short = (drawn.stopped_after > 0).any()
        return f"{text}. {LESS_SAVED}" if cut_short else f"{text}."


def trade_off(
    sweep: Sweep,
    mark: Mark,
    recording: Recording,
    own: Settings,
    proposed: Mapping[str, Settings],
    *,
    field: str,
) -> TradeOff:
    others = [
        settings
        for kind, settings in proposed.items()
        if kind != own.get("type") and kind not in APART
    ]
    found = families(
        own, field, others, objective=sweep.objective, longest=recording.longest
    )
    policies = [member for family in found for member in family.members]
    orders, reports = trade_off_size(mark, len(policies))
    question = Question.of(sweep, mark, policies, orders=orders, reports=reports)
    return TradeOff(found, own, question, recording)
