"""Hyperband as Weights & Biases applies it: by the values at the last band."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from experiments.search.fields import Fields, listed
from experiments.search.termination.comparison import ComparingPolicy, LossLimit
from experiments.search.termination.evidence import (
    Evidence,
    Rivals,
    best_mark,
    trial_mark,
)
from experiments.search.termination.policy import Ruling, min_rivals
from experiments.search.termination.settings import (
    MAX_REPORTS,
    NTH_REPORT,
    FlagSetting,
    IntegerSetting,
    NumberSetting,
    declared,
)

MAX_BANDS = 100
MAX_NAMED = 3
BANDS = "Set min_iter, or max_iter together with s"


@dataclass(frozen=True, kw_only=True)
class WandbHyperbandPolicy(ComparingPolicy):
    """The rule `hyperband` of Weights & Biases, with its settings.

    The bands are the reports floor(`min_iter` * `eta`^i) for i = 0 to 99, or else
    floor(`max_iter` / `eta`^i) for i = 1 to `s`, as far as these are at least 1. After
    each report from the first band on, a trial is compared at the last band b that it
    has reached: of the n trials with b reports, itself included, the one with rank
    floor(n / eta), from 0 and by the value AT report b, is the limit. A `strict` policy
    compares the trial's own value at b, otherwise its best so far is compared.

    The source is `hyperband_stop_runs` in hyperband_stopping.py of version 0.3.0 of
    github.com/wandb/sweeps. Two things differ: W&B checks every few minutes, not at
    every report, and it does not count reports that are not finite.
    """

    kind: ClassVar[str] = "wandb_hyperband"
    title: ClassVar[str] = "Hyperband of W&B"
    use: ClassVar[str] = "as in a W&B sweep"
    advice: ClassVar[str] = (
        "As W&B applies it: by the value at the last band. For sweeps from there."
    )
    has_rungs: ClassVar[bool] = True

    # Those with as many reports may be fewer than those at the band.
    min_rivals: int = min_rivals(0)
    min_iter: int = declared(
        IntegerSetting(
            label="First band at report (min_iter)",
            default=0,
            minimum=0,
            help=f"Counted as {NTH_REPORT}, whatever step it names.",
            example="3",
            phrase="first band {}",
            trial_share=0.5,
            says_when=True,
        )
    )
    max_iter: int = declared(
        IntegerSetting(
            label="or reports of a whole trial (max_iter)",
            default=0,
            minimum=0,
            help="The bands are this divided by eta, and again, as often as s says.",
            example="27",
            phrase="of {} reports",
        )
    )
    s: int = declared(
        IntegerSetting(
            label="and number of bands (s)",
            default=0,
            minimum=0,
            maximum=MAX_BANDS,
            help="Together with the reports of a whole trial.",
            example="2",
            phrase="{} bands",
        )
    )
    eta: float = declared(
        NumberSetting(
            label="One in … continues (eta)",
            default=3,
            minimum=1,
            help="Also the ratio of the bands.",
            phrase="one in {} continues",
            slider=(1.5, 10.0, 0.5),
            usual=(1.5, 2, 3, 4, 6, 8),
            named=True,
        )
    )
    strict: bool = declared(
        FlagSetting(
            label="Compare the value at the band, not the best so far",
            default=False,
            help="In a document: strict. Ends more trials.",
        )
    )

    @classmethod
    def read_settings(cls, document: Fields) -> dict[str, Any]:
        mark = len(document.diagnostics.problems)
        values = super().read_settings(document)
        if not document.diagnostics.clean_since(mark):
            return values
        first, last, bands = values["min_iter"], values["max_iter"], values["s"]
        if values["eta"] <= 1:
            document.error("eta", f"eta must be above 1, not {values['eta']:g}.")
        elif bool(last) != bool(bands) or bool(first) == bool(last):
            given = {"min_iter": first, "max_iter": last, "s": bands}
            named = [f"{name} {value:,}" for name, value in given.items() if value]
            document.error(
                "min_iter", f"{BANDS}; here is {listed(named) or 'none of them'}."
            )
        elif last and last / values["eta"] < 1:
            document.error("max_iter", "max_iter divided by eta must be at least 1.")
        return values

    @cached_property
    def bands(self) -> tuple[int, ...]:
        """The reports at which trials are compared, in ascending order."""
        return tuple(sorted(set(map(int, self._exact_bands()))))

    def _exact_bands(self) -> Iterator[float]:
        band = float(self.min_iter or self.max_iter)
        for _ in range(MAX_BANDS if self.min_iter else self.s):
            if not self.min_iter:
                band /= self.eta
            if not 1 <= band <= MAX_REPORTS:
                return
            yield band
            if self.min_iter:
                band *= self.eta

    def due(self, report: int) -> bool:
        return report >= self.bands[0] and super().due(report)

    def next_check(self, report: int) -> int | None:
        return super().next_check(max(report, self.bands[0] - 1))

    def band(self, report: int) -> int:
        """The last band up to a report; 0 before the first."""
        return max((band for band in self.bands if band <= report), default=0)

    def compared(self, evidence: Evidence) -> float:
        if not self.strict:
            return evidence.own.best
        losses = evidence.losses()[: self.band(evidence.report)]
        finite = losses[losses < math.inf]
        return float(finite[-1]) if len(finite) else math.inf

    def compared_in_words(self, evidence: Evidence, text: str) -> str:
        if not self.strict:
            return f"its best {best_mark(text)}"
        return f"its value at report {self.band(evidence.report):,}, {text},"

    def limit(self, evidence: Evidence, rivals: Rivals) -> LossLimit | None:
        band = self.band(evidence.report)
        if not band:
            return None
        there = evidence.rivals_at(band)
        place = self._place(there)
        if place >= len(there):
            return None
        # If the trial is worse, it does not change the rank of a better one.
        last = there.ranked_by_value(place)
        return LossLimit(last.loss, (last.number,))

    def limit_in_words(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> str:
        band = self.band(evidence.report)
        there = evidence.rivals_at(band)
        return (
            f"the value of {trial_mark(ruling.setters[0])} at report {band:,}: rank "
            f"{self._place(there) + 1:,} of the {len(there):,} others there; one in "
            f"{self.eta:g} continues"
        )

    def name_in_words(self) -> str:
        named = ", ".join(f"{band:,}" for band in self.bands[:MAX_NAMED])
        named += " …" * (len(self.bands) > MAX_NAMED)
        how = "strict, " * self.strict
        share = f"one in {self.eta:g} continues"
        return f"hyperband of W&B, {how}{share} after {named} reports"

    def _place(self, rivals: Rivals) -> int:
        """The rank of the limit among all trials at a band, from 0."""
        return int(1 / self.eta * (len(rivals) + 1))
