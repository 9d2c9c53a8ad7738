"""The predictive policy: a trial ends when it is unlikely to become the best.

Trials that fall behind while none has run to its end: who cannot catch up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.search.forecasts import Gain, GainModel, gain_model_of, later_half
from experiments.search.learning_curves import (
    levels_of,
    noise_of,
    repeats_of,
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
# The trials at whose report so many or more are better may have to end.
BEHIND = 0.5
# How long trials are is unknown yet: they are given so many times the reports so far.
# Of a power law with exponent 1/2 that is this multiple of what it gained lately.
LENGTHENED = 4
STILL_GAINED = (1 - LENGTHENED**-0.5) / (2**0.5 - 1)
# A gap counts beyond so many standard deviations of a report's noise.
CLEAR_OF_NOISE = 2.5
# A trial is believed to gain so much of the gap even when it gained nothing lately.
MIN_SHARE = 0.02


class Deficit(NamedTuple):
    """How far a trial is behind the leader at its report, and what it may gain."""

    leader: Ranked
    needed: float
    expected: float


def deficit_of(evidence: Evidence, rivals: Rivals) -> Deficit | None:
    """What a trial in the worse half has to make up; None where it is too early."""
    if evidence.report < MIN_FIRST_WAVE_REPORTS or len(rivals) < MIN_RIVALS:
        return None
    best, leader = evidence.own.best, rivals.leader()
    if leader is None or rivals.better_than(best) < BEHIND * (len(rivals) + 1):
        return None
    if math.isinf(best):
        return Deficit(leader, math.inf, 0.0)
    losses = evidence.losses()
    before = float(levels_of(losses)[later_half(evidence.report) - 1])
    recent = before - best if math.isfinite(before) else 0.0
    needed = best - leader.loss - CLEAR_OF_NOISE * (noise_of(losses) or 0.0)
    expected = STILL_GAINED * (recent + MIN_SHARE * max(needed, 0.0))
    return Deficit(leader, needed, expected)


MIN_REPORTS = 3
# How many standard errors a noisy comparison has to be clear of.
CLEAR_OF_RIVALS, CLEAR_OF_BEST = 2.0, 2.0
# Below the first share of the spread noise is no matter, from the second on it is.
QUIET, LOUD = 0.04, 0.08
# The share of better rivals at which a trial needs just the `chance` that is set.
MIDDLE = 0.5
KEPT = Ruling(stop=False)
# The fact about a trial that repeats another one: so many reports are equal.
EQUAL_REPORTS = "equal_reports"


@dataclass(frozen=True)
class Outlook:
    """What a trial has to gain to become the best, and what it may gain.

    `level` is its own level, `goal` the best level of all, `care` what noise may
    account for.
    """

    level: float
    goal: float
    care: float
    gain: Gain

    @property
    def needed(self) -> float:
        return self.level - self.goal - self.care

    @property
    def chance(self) -> float:
        return self.gain.chance(self.needed)


@dataclass(frozen=True, kw_only=True)
class PredictivePolicy(Policy):
    """Ends a trial that has less than a `chance` of still becoming the best.

    How much it may still gain is told from the completed trials of this sweep that
    were gaining as fast (`experiments.search.forecasts`). The `chance` is asked of a
    trial of middling rank at its report; the rank says something the gains do not, and
    so the last one needs twice that chance, and one in the best quarter half of it. A
    trial among the best `keep_share` always continues, and every one has three
    reports.
    Where reports are noisy, both comparisons are of averages and leave room for it.
    While no trial has run to its end, one in the worse half ends when it is further
    behind than its pace makes up for (`experiments.search.termination.predictive`).
    One whose reports are, to the last digit, those of a trial that has run to its end
    would only end as that one did, and ends now, once two trials have shown that what
    begins alike ends alike (`experiments.search.learning_curves`).

    The idea of stopping by the probability of beating the best is from Domhan et al.
    (2015); the model of gains is this project's own.
    """

    kind: ClassVar[str] = "predictive"
    title: ClassVar[str] = "Predictive"
    use: ClassVar[str] = "unlikely to win"
    advice: ClassVar[str] = (
        "Ends what is unlikely to become the best, judging by completed trials."
    )

    chance: float = declared(
        ShareSetting(
            label="Least chance to become the best",
            default=0.15,
            help="A share: with less than that a trial ends. More saves more and risks "
            "more.",
            phrase="below {} chance",
            slider=(0.01, 0.5, 0.01),
            named=True,
        )
    )
    keep_share: float = declared(
        ShareSetting(
            label="Always kept: the best share",
            default=0.3,
            help="Of the trials that came as far; nothing is predicted for these.",
            phrase="best {} go on",
            slider=(0.0, 1.0, 0.05),
        )
    )

    def due(self, report: int) -> bool:
        return report >= MIN_REPORTS and super().due(report)

    def next_check(self, report: int) -> int | None:
        return super().next_check(max(report, MIN_REPORTS - 1))

    def ruling(self, evidence: Evidence, rivals: Rivals) -> Ruling:
        original = self._original(evidence)
        if original is not None:
            facts = {EQUAL_REPORTS: float(evidence.report)}
            return Ruling(stop=True, setters=(original,), facts=facts)
        if self._among_best(evidence.own.best, rivals):
            return KEPT
        gain_model = evidence.finished.derived(gain_model_of)
        if not len(gain_model):
            return self._first_wave(evidence, rivals)
        if evidence.report >= gain_model.longest:
            return KEPT
        if evidence.own.silent:
            return Ruling(stop=self.chance > 0)
        spread = _spread(rivals)
        window = window_for(gain_model.noise, spread)
        error = _error(gain_model.noise, spread, window, evidence.report)
        clear = evidence.own.best - CLEAR_OF_RIVALS * error
        if self._among_best(clear, rivals):
            return KEPT
        outlook = _outlook(evidence, gain_model.smoothed(window), window, error)
        if outlook is None:
            return KEPT
        return self._ruled(outlook, rivals, _share_better(clear, rivals))

    def grounds(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> Grounds:
        if evidence.own.silent and ruling.stop:
            return Grounds("no finite value so far")
        best = significant(self.objective.value(evidence.own.best))
        return Grounds(self._clause(evidence, rivals, ruling), best)

    def _clause(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> str:
        if EQUAL_REPORTS in ruling.facts:
            return (
                f"report by report it is equal to {trial_mark(ruling.setters[0])}, "
                "which ran to its end, so it would end as that one did"
            )
        if not ruling.facts:
            return self._safe(evidence, rivals)
        facts = {name: significant(value) for name, value in ruling.facts.items()}
        if "chance" not in facts:
            return (
                f"it is {facts['gain_needed']} behind "
                f"{trial_mark(ruling.setters[0])}, which leads at this report, and at "
                f"its own pace it would gain about {facts['gain_expected']}; no "
                "trial has run to its end yet"
            )
        return (
            f"to beat the best it needs to gain {facts['gain_needed']} more, "
            f"and about {facts['gain_expected']} is predicted, as trials that improved "
            "as fast gained from there on. That is a chance of "
            f"{_percent(ruling.facts['chance'])}, and {self._asked_words(ruling)}"
        )

    def name_in_words(self) -> str:
        return f"predictive, below a chance of {self.chance:.0%} to become the best"

    def _asked_words(self, ruling: Ruling) -> str:
        """What chance was asked, and why it is not the one that is set."""
        asked, better = ruling.facts["chance_asked"], ruling.facts["share_better"]
        words, usual = f"{_percent(asked)} is asked", _percent(self.chance)
        if math.isclose(asked, self.chance):
            return f"{words}, as of any trial in the middle of the field"
        more, only = ("more", "") if better > MIDDLE else ("less", "only ")
        return (
            f"{words}: {more} than the {usual} of a trial in the middle of the field, "
            f"because {only}{better:.0%} of the trials are better at this report"
        )

    def _original(self, evidence: Evidence) -> int | None:
        """The trial that ran to its end and that this one repeats so far."""
        if self.chance == 0 or evidence.own.silent:
            return None
        repeats = evidence.finished.derived(repeats_of)
        if evidence.report < repeats.fewest:
            return None
        return repeats.original(evidence.losses())

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
        leader, asked = rivals.leader(), self.chance * better / MIDDLE
        return Ruling(
            stop=outlook.needed > 0 and outlook.chance < asked,
            limit=outlook.goal,
            setters=() if leader is None else (leader.number,),
            facts={
                "chance": outlook.chance,
                "chance_asked": asked,
                "share_better": better,
                "gain_needed": max(outlook.needed, 0.0),
                "gain_expected": outlook.gain.amount(0.0),
            },
        )

    def _safe(self, evidence: Evidence, rivals: Rivals) -> str:
        if self._among_best(evidence.own.best, rivals):
            return f"it is among the best {self.keep_share:.0%} at this report"
        gain_model = evidence.finished.derived(gain_model_of)
        if not len(gain_model):
            return "no trial has run to its end yet, so little can be predicted"
        if evidence.report >= gain_model.longest:
            return "it has come as far as the longest trial that ran to its end"
        return "what parts it from the best at this report may be noise"


def _percent(share: float) -> str:
    """``27.9%``, ``15%``; never a plain 0 for what is only close to it."""
    if 0 < share < 0.001:
        return "below 0.1%"
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def _share_better(loss: float, rivals: Rivals) -> float:
    """The share of the trials at this report that are better than a loss."""
    return rivals.better_than(loss) / (len(rivals) + 1)


def _spread(rivals: Rivals) -> float:
    """How far a middling rival is behind the best one; infinity where that is open."""
    leader = rivals.leader()
    if leader is None:
        return math.inf
    middle = rivals.ranked(len(rivals) // 2).loss
    return middle - leader.loss


def _error(noise: float, spread: float, window: int, report: int) -> float:
    """The standard error of a level where noise matters, 0 where it does not."""
    share = noise / spread if spread > 0 else (1.0 if noise > 0 else 0.0)
    matter = min(max((share - QUIET) / (LOUD - QUIET), 0.0), 1.0)
    return matter * noise / math.sqrt(min(window, (report + 1) // 2))


def _outlook(
    evidence: Evidence, gain_model: GainModel, window: int, error: float
) -> Outlook | None:
    if not len(gain_model):
        return None
    report = evidence.report
    levels: NDArray[np.float64] = levels_of(evidence.losses(), window)
    level = float(levels[-1])
    goal = float(evidence.finished.best_of_all())
    if window > 1:
        # The best of noisy numbers is too good: averages of finished trials are not.
        goal = float(gain_model.finals.min()) + error
    before = float(levels[later_half(report) - 1])
    recent = before - level if math.isfinite(before) else 0.0
    gain = gain_model.gain(report, recent)
    if gain is None or not math.isfinite(level):
        return None
    return Outlook(level, goal, CLEAR_OF_BEST * error, gain)
