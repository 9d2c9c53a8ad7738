"""What a pre-flight found, and what the whole sweep will take, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from experiments.models import Sweep, Worker
from experiments.search.fields import is_number
from experiments.search.near_names import near_misses
from experiments.search.problems import listed
from experiments.words import duration_text

# Inputs that are likely to say how many reports a trial makes.
LENGTHS = ("epochs", "num_epochs", "n_epochs", "max_epochs", "steps", "max_steps")
EXAMPLE_REPORTS = 10
Mark = Literal["good", "wrong", "open"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it stands, and the sentence."""

    mark: Mark
    text: str


@dataclass(frozen=True)
class Preflight:
    """A sweep's pre-flight as it is stored. ``state``: running, passed or failed."""

    sweep: Sweep
    data: dict[str, Any]

    @classmethod
    def of(cls, sweep: Sweep) -> Preflight | None:
        return cls(sweep, sweep.preflight) if sweep.preflight else None

    @property
    def state(self) -> str:
        return str(self.data.get("state", ""))

    @property
    def problem(self) -> str:
        return str(self.data.get("problem", ""))

    @property
    def number(self) -> int | None:
        """Of the trial that was the probe."""
        return self.data.get("trial")

    @property
    def facts(self) -> dict[str, Any]:
        return self.data.get("facts") or {}

    @property
    def names(self) -> list[str]:
        return list(self.facts.get("names") or ())

    @property
    def meant(self) -> list[str]:
        """Names that were reported and may have been meant by the primary metric."""
        wanted = self.sweep.primary_metric
        return [] if wanted in self.names else near_misses(wanted, self.names)

    def findings(self) -> list[Finding]:
        """Nothing while it is running."""
        return list(self._findings()) if self.facts else []

    def _findings(self) -> Iterator[Finding]:
        if self.problem == "failed":
            yield Finding("wrong", f"Trial {self.number} failed.")
        elif self.facts.get("waited") is not None:
            waited = duration_text(self.facts["waited"])
            yield Finding("good", f"The command starts; the trial waited {waited}.")
        yield self._metric()
        per = self.facts.get("per_report")
        if per is not None:
            yield Finding("good", f"A report comes every {duration_text(per)}.")

    def _metric(self) -> Finding:
        metric, first = self.sweep.primary_metric, self.facts.get("first_report")
        if first is not None:
            after = duration_text(first)
            return Finding("good", f"{metric} was first reported after {after}.")
        seen = listed(self.names) if self.names else "no metric at all"
        mark: Mark = "open" if self.state == "passed" else "wrong"
        text = f"{metric} was not seen; the trial reported {seen}."
        if self.meant:
            text += f" Did you mean {' or '.join(self.meant)}?"
        return Finding(mark, text)

    def estimate(self) -> str:
        """What the whole sweep takes, and how that was worked out; "" if unknown."""
        took, per = self.facts.get("took"), self.facts.get("per_report")
        reports = planned_reports(self.sweep)
        if self.state != "passed":
            return ""
        if took:
            return self._whole(took, f"{duration_text(took)} a trial")
        if per and reports:
            count, name = reports
            basis = (
                f"{count} reports a trial (inputs.{name}), {duration_text(per)} each"
            )
            return self._whole(per * count, basis)
        return self._unknown(per)

    def _unknown(self, per: float | None) -> str:
        if self.sweep.trial_timeout:
            most = duration_text(self.sweep.trial_timeout)
            basis = f"limits.trial_timeout of {most} a trial"
            return self._whole(self.sweep.trial_timeout, basis, verb="at most")
        if not per:
            return ""
        basis = f"if each trial makes {EXAMPLE_REPORTS} reports of {duration_text(per)}"
        return self._whole(per * EXAMPLE_REPORTS, basis)

    def _whole(self, seconds: float, basis: str, verb: str = "about") -> str:
        trials, slots = self.sweep.max_total_trials, self._slots()
        whole = duration_text(seconds * -(-trials // slots))
        policy = " Early termination makes it shorter."
        return (
            f"The whole takes {verb} {whole}: {basis}, {trials:,} trials, {slots} at a"
            f" time.{policy if self.sweep.early_termination else ''}"
        )

    def _slots(self) -> int:
        """Trials at a time: by the limit, and by the slots that are there now."""
        workers = Worker.objects.alive().filter(pool=self.sweep.pool_id)
        slots = sum(workers.values_list("slots", flat=True))
        most = self.sweep.max_concurrent_trials
        return max(1, min(most, slots) if slots else most)


def planned_reports(sweep: Sweep) -> tuple[int, str] | None:
    """How many reports a trial is likely to make, and the input that says so."""
    inputs = sweep.definition.get("inputs") or {}
    for name in LENGTHS:
        value = inputs.get(name)
        if is_number(value) and 1 <= value < 1e6 and value == int(value):
            return int(value), name
    return None
