"""The predictive policy: a trial ends if it is unlikely to become the best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.search.forecasts import Gain, GainModel, gain_model_of, later_half
from experiments.search.learning_curves import (
    levels_of,
    noise_of,
    window_for,
)
from experiments.search.termination.evidence import (
    Evidence,
    Grounds,
    Ranked,
    Rivals,
    trial_mark,
)
from experiments.search.termination.policy import Policy, Ruling
from experiments.search.termination.settings import ShareSetting, declared
from experiments.search.wording import significant

MIN_FIRST_WAVE_REPORTS, MIN_RIVALS = 6, 2
# Only a trial with at least this share of better ones may end in the first wave.
MIN_BETTER = 0.5
# The length of a trial is not known yet: assume this multiple of the reports so far. A
# curve that falls with the root of the reports then gains STILL_GAINED times as much as
# it did in the later half of its reports.
ASSUMED_LENGTH = 4
STILL_GAINED = (1 - ASSUMED_LENGTH**-0.5) / (2**0.5 - 1)
# A gap must exceed this many standard deviations of a report's noise.
CLEAR_OF_NOISE = 2.5
# A trial that gained nothing lately is expected to gain this share of the gap.
MIN_GAINED_SHARE = 0.02


class Deficit(NamedTuple):
    """How much worse a trial is than the leader, and how much it may gain."""

    leader: Ranked
    needed: float
    expected: float


def deficit_of(evidence: Evidence, rivals: Rivals) -> Deficit | None:
    """The deficit of a trial in the worse half; None for others, and too early."""
    if evidence.report < MIN_FIRST_WAVE_REPORTS or len(rivals) < MIN_RIVALS:
        return None
    best, leader = evidence.own.best, rivals.leader()
    if leader is None or rivals.better_than(best) < MIN_BETTER * (len(rivals) + 1):
        return None
    if math.isinf(best):
        return Deficit(leader, math.inf, 0.0)
    losses = evidence.losses()
    before = float(levels_of(losses)[later_half(evidence.report) - 1])
    recent = before - best if math.isfinite(before) else 0.0
    needed = best - leader.loss - CLEAR_OF_NOISE * (noise_of(losses) or 0.0)
    expected = STILL_GAINED * (recent + MIN_GAINED_SHARE * max(needed, 0.0))
    return Deficit(leader, needed, expected)


MIN_REPORTS = 3
# A noisy difference must exceed this many standard errors.
CLEAR_OF_RIVALS, CLEAR_OF_BEST = 2.0, 2.0
# Noise below the first share of the spread does not matter; above the second it does.
QUIET, LOUD = 0.04, 0.08
# With this share of better rivals a trial needs exactly the `chance` that is set.
AVERAGE_RANK = 0.5
KEPT = Ruling(stop=False)
CHANCE = "chance"


@dataclass(frozen=True)
class Outlook:
    """What a trial has to gain to become the best, and what it may gain.

    `level` is its own level, `goal` the best level of all, and `noise` the part of the
    difference that noise may explain.
    """

    level: float
    goal: float
    noise: float
    gain: Gain

    @property
    def needed(self) -> float:
        return self.level - self.goal - self.noise

    @property
    def chance(self) -> float:
        return self.gain.chance(self.needed)


@dataclass(frozen=True, kw_only=True)
class PredictivePolicy(Policy):
    """Ends a trial that has less than a `chance` of still becoming the best.

    The completed trials of the sweep that gained as fast show how much it may still
    gain (`experiments.search.forecasts`). The `chance` is required of a trial of
    average rank at its report. The rank says something that the gains do not: the last
    trial needs twice that chance, and one in the best quarter half of it. A trial among
    the best `keep_share` always continues, and each one gets three reports. If reports
    are noisy, both comparisons use averages and leave room for the noise. Until a trial
    has run to its end, one in the worse half ends if it is further behind than its pace
    makes up for.

    The idea of stopping by the probability of beating the best is from Domhan et al.
    (2015); the model of gains is this project's own.
    """

    kind: ClassVar[str] = "predictive"
    title: ClassVar[str] = "Predictive"
    use: ClassVar[str] = "unlikely to win"
    advice: ClassVar[str] = (
        "Ends trials that are unlikely to become the best, judging by completed ones."
    )

    chance: float = declared(
        ShareSetting(
            label="Minimum chance to become the best",
            default=0.13,
            help="An average trial with a smaller chance ends. The more trials are "
            "better, the more is required. A higher value saves more and risks more.",
            phrase="{} chance for an average trial",
            slider=(0.01, 0.5, 0.01),
            usual=(0.02, 0.05, 0.1, 0.15, 0.25, 0.4),
            named=True,
        )
    )
    keep_share: float = declared(
        ShareSetting(
            label="Always kept: the best share",
            default=0.3,
            help="The best of the trials at this report are never ended.",
            phrase="best {} continue",
            slider=(0.0, 1.0, 0.05),
            usual=(0.1, 0.2, 0.3, 0.4, 0.5),
        )
    )

    def due(self, report: int) -> bool:
        return report >= MIN_REPORTS and super().due(report)

    def next_check(self, report: int) -> int | None:
        return super().next_check(max(report, MIN_REPORTS - 1))

    def ruling(self, evidence: Evidence, rivals: Rivals) -> Ruling:
        if self._among_best(evidence.own.best, rivals):
            return KEPT
        gain_model = evidence.finished.derived(gain_model_of)
        if not len(gain_model):
            return self._first_wave(evidence, rivals)
        if evidence.report >= gain_model.longest:
            return KEPT
        if evidence.own.silent:
            return Ruling(stop=self.chance > 0)
        spread = spread_of(rivals)
        error = error_of(gain_model.noise, spread, evidence.report)
        clear = evidence.own.best - CLEAR_OF_RIVALS * error
        if self._among_best(clear, rivals):
            return KEPT
        outlook = outlook_among(evidence, gain_model, spread)
        if outlook is None:
            return KEPT
        return self._ruled(outlook, rivals, _share_better(clear, rivals))

    def grounds(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> Grounds:
        if evidence.own.silent and ruling.stop:
            return Grounds("no finite value so far")
        best = significant(self.objective.value(evidence.own.best))
        return Grounds(self._clause(evidence, rivals, ruling), best)

    def _clause(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> str:
        if not ruling.facts:
            return self._safe(evidence, rivals)
        facts = {name: significant(value) for name, value in ruling.facts.items()}
        if CHANCE not in facts:
            return (
                f"it is {facts['gain_needed']} behind "
                f"{trial_mark(ruling.setters[0])}, which leads at this report, and at "
                f"its own pace it would gain about {facts['gain_expected']}; no "
                "trial has run to its end yet"
            )
        return f"{gain_words(ruling.facts)}, and {self._required_words(ruling)}"

    def name_in_words(self) -> str:
        least, most = min(1.0, 2 * self.keep_share), 2.0
        return (
            f"predictive, below a chance of {percent(least * self.chance)} to"
            f" {percent(most * self.chance)} to become the best, depending on its rank"
        )

    def _required_words(self, ruling: Ruling) -> str:
        """The required chance, and why it differs from the one that is set."""
        required, better = ruling.facts["chance_asked"], ruling.facts["share_better"]
        words = f"{percent(required)} was required"
        if math.isclose(required, self.chance):
            return f"{words}, as for any average trial"
        only = "" if better > AVERAGE_RANK else "only "
        return (
            f"{words} ({percent(self.chance)} for an average trial), because "
            f"{only}{better:.0%} of the trials are better at this report"
        )

    def _among_best(self, loss: float, rivals: Rivals) -> bool:
        return _share_better(loss, rivals) < self.keep_share

    def _first_wave(self, evidence: Evidence, rivals: Rivals) -> Ruling:
        deficit = deficit_of(evidence, rivals)
        if deficit is None or self.chance == 0:
            return KEPT
        leader, needed, expected = deficit
        facts = {"gain_needed": max(needed, 0.0), "gain_expected": expected}
        return Ruling(
            stop=needed > expected,
            limit=leader.loss,
            setters=(leader.number,),
            facts=facts if math.isfinite(needed) else {},
        )

    def _ruled(self, outlook: Outlook, rivals: Rivals, better: float) -> Ruling:
        leader, asked = rivals.leader(), self.chance * better / AVERAGE_RANK
        return Ruling(
            stop=outlook.needed > 0 and outlook.chance < asked,
            limit=outlook.goal,
            setters=() if leader is None else (leader.number,),
            facts={
                CHANCE: outlook.chance,
                "chance_asked": asked,
                "share_better": better,
                "gain_needed": max(outlook.needed, 0.0),
                "gain_expected": outlook.gain.amount(0.0),
            },
        )

    def _safe(self, evidence: Evidence, rivals: Rivals) -> str:
        if self._among_best(evidence.own.best, rivals):
            share = f"{self.keep_share:.0%}"
            return f"it is among the best {share} at this report, which are always kept"
        gain_model = evidence.finished.derived(gain_model_of)
        if not len(gain_model):
            return "no trial has run to its end yet, so little can be predicted"
        if evidence.report >= gain_model.longest:
            return "no trial that ran to its end has more reports"
        return "the difference from the best at this report may be noise"


def gain_words(facts: Mapping[str, float]) -> str:
    """What a trial has to gain, and what it may gain."""
    needed, expected = (
        significant(facts[name]) for name in ("gain_needed", "gain_expected")
    )
    return (
        f"to beat the best it needs to gain {needed} more, and about {expected} is "
        "predicted from trials that improved as fast. That is a chance of "
        f"{percent(facts[CHANCE])}"
    )


def percent(share: float) -> str:
    """`27.9%`, `15%`; a tiny share is not shown as 0."""
    if 0 < share < 0.001:
        return "below 0.1%"
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def _share_better(loss: float, rivals: Rivals) -> float:
    """The share of the trials at this report that are better than a loss."""
    return rivals.better_than(loss) / (len(rivals) + 1)


def spread_of(rivals: Rivals) -> float:
    """How much worse the median rival is than the best; infinity without a best."""
    leader = rivals.leader()
    if leader is None:
        return math.inf
    middle = rivals.ranked(len(rivals) // 2).loss
    return middle - leader.loss


def error_of(noise: float, spread: float, report: int) -> float:
    """The standard error of a level if noise matters, otherwise 0."""
    window = window_for(noise, spread)
    share = noise / spread if spread > 0 else (1.0 if noise > 0 else 0.0)
    matter = min(max((share - QUIET) / (LOUD - QUIET), 0.0), 1.0)
    return matter * noise / math.sqrt(min(window, (report + 1) // 2))


def outlook_among(
    evidence: Evidence, gain_model: GainModel, spread: float
) -> Outlook | None:
    """The outlook, from smoothed curves where noise matters; None if unknown.

    `spread` is that of the trials at this report.
    """
    report = evidence.report
    window = window_for(gain_model.noise, spread)
    error = error_of(gain_model.noise, spread, report)
    gain_model = gain_model.smoothed(window)
    if not len(gain_model):
        return None
    levels: NDArray[np.float64] = levels_of(evidence.losses(), window)
    level = float(levels[-1])
    goal = float(evidence.finished.best_of_all())
    if window > 1:
        # The best of noisy numbers is too good; averages of finished trials are not.
        goal = float(gain_model.finals.min()) + error
    before = float(levels[later_half(report) - 1])
    recent = before - level if math.isfinite(before) else 0.0
    gain = gain_model.gain(report, recent)
    if gain is None or not math.isfinite(level):
        return None
    return Outlook(level, goal, CLEAR_OF_BEST * error, gain)
