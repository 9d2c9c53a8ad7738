"""One look at the simulator: what was entered, what came of it, what may be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from experiments.models import Sweep
from experiments.models.sweeps import SWEEP_ENDS
from experiments.pages.simulator import ended, outcomes
from experiments.pages.simulator.form import (
    MAX_OTHERS,
    YAML,
    EnteredPolicy,
    SettingField,
    Settings,
    controls,
    first_others,
    has_form,
    query_text,
    read_entered,
    read_others,
    settings_text,
)
from experiments.pages.simulator.trade_off import TradeOff, trade_off
from experiments.search.fields import DefinitionError
from experiments.search.simulation import Evaluation, Recording
from experiments.search.simulation.families import main_field, proposals, varied_fields
from experiments.search.simulation.figures import limits_in_words
from experiments.search.termination import POLICIES, make_policy
from experiments.search.wording import counted
from experiments.tracking.policy_simulations import (
    Question,
    SimulationResult,
    ask,
    mark_named,
    read,
)
from experiments.tracking.recordings import Mark

# Replays that a page does not ask for again within so many seconds are dropped.
KEEP = 6.0


@dataclass(frozen=True)
class PolicyOption:
    """A kind of policy to pick."""

    value: str
    name: str
    use: str


class PolicyComparison:
    """The sweep as it was at the mark, and an address that says what is compared."""

    def __init__(self, sweep: Sweep, query: QueryDict) -> None:
        self.sweep = sweep
        self._query = query
        self.mark: Mark = mark_named(sweep, query.get("mark", ""))
        self.recording, self._reading = read(sweep, self.mark, keep=KEEP)

    # --- what was entered ---------------------------------------------------------

    @cached_property
    def proposed(self) -> dict[str, dict[str, Any]]:
        recording = self.recording or Recording.empty()
        return proposals(recording, self.sweep.objective)

    @cached_property
    def entered(self) -> EnteredPolicy:
        return read_entered(
            self._query, self.proposed, self._first, self.sweep.objective
        )

    @property
    def _first(self) -> Settings:
        """The sweep's own policy, else the first one that is proposed."""
        own = known_settings(self.sweep)
        if own is not None:
            return own
        return next(iter(self.proposed.values()))

    @cached_property
    def kept(self) -> list[Settings]:
        """The settings that were kept as columns, or the first ones."""
        kept = read_others(self._query, self.sweep.objective)
        return first_others(self.proposed, self.entered.kind) if kept is None else kept

    @property
    def others(self) -> list[Settings]:
        """Those that have a column of their own: one's own setting has one anyway."""
        return [each for each in self.kept if each != self.entered.settings]

    @property
    def kinds(self) -> list[PolicyOption]:
        """The kinds that have a form, and one for whatever can be written."""
        found = [
            PolicyOption(kind, POLICIES[kind].title, POLICIES[kind].use)
            for kind in self.proposed
            if has_form(kind)
        ]
        return [
            *found,
            PolicyOption(YAML, "Any other, as YAML", "any or all of several"),
        ]

    @property
    def controls(self) -> list[SettingField]:
        if self.entered.kind not in self.proposed:
            return []
        longest = self.recording.longest if self.recording is not None else 0
        return controls(self.entered, longest=longest)

    @property
    def problems(self) -> list[str]:
        """Sentences about what no field is there for."""
        names = {control.name for control in self.controls}
        found = self.entered.problems.items()
        return [text for name, texts in found if name not in names for text in texts]

    # --- what came of it ----------------------------------------------------------

    @cached_property
    def evaluation(self) -> Evaluation | None:
        return Evaluation(self.recording) if self.recording is not None else None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was reported, so that there is nothing to replay."""
        return self.recording is not None and self.recording.size == 0

    @cached_property
    def told(self) -> SimulationResult:
        """The replays of one's own setting, if it is right, and of the others."""
        if self.recording is None or self.is_empty:
            return replace(self._reading, answers=[None])
        question = Question.of(self.sweep, self.mark, self._compared)
        return ask(self.sweep, question, keep=KEEP)

    @property
    def _compared(self) -> list[Settings]:
        own = self.entered.settings
        return [*([own] if own is not None else []), *self.others]

    @property
    def final(self) -> bool:
        """Whether asking again would bring nothing new."""
        return self.is_empty or self.told.complete or bool(self.told.problem)

    @property
    def percent(self) -> int:
        return round(100 * self.told.done)

    @property
    def waiting_for(self) -> str:
        if self.recording is None:
            return f"Reading {counted(self.mark.reports, 'report')}"
        reports = self.recording.size
        return f"Replaying {counted(reports, 'report')}"

    @cached_property
    def columns(self) -> list[outcomes.PolicyOutcome]:
        """The columns: what happened, one's own and the others as far as they are."""
        if self.evaluation is None:
            return []
        found = [outcomes.happened(self.sweep, self.evaluation)]
        pairs = zip(self._compared, self.told.answers, strict=False)
        for index, (settings, ends) in enumerate(pairs):
            if isinstance(ends, np.ndarray):
                own = index == 0 and self.entered.settings is not None
                query = "" if own else self._without(settings)
                found.append(
                    outcomes.outcome(
                        settings, ends, self.evaluation, own=own, remove_query=query
                    )
                )
        return found

    @property
    def own(self) -> outcomes.PolicyOutcome | None:
        return next((each for each in self.columns if each.own), None)

    def _without(self, settings: Settings) -> str:
        rest = [each for each in self.kept if each != settings]
        return query_text(self.entered, rest, mark=str(self.mark), vary=self.vary)

    @property
    def keep_query(self) -> str:
        """One's own setting, kept as a column, to go on from there; empty when there
        is no room."""
        own = self.entered.settings
        if own is None or own in self.kept or len(self.kept) >= MAX_OTHERS:
            return ""
        kept = [own, *self.kept]
        return query_text(self.entered, kept, mark=str(self.mark), vary=self.vary)

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """What the form sends along: the columns, what the sweep was then, and of which
        kind the fields are."""
        columns = [("with", settings_text(each)) for each in self.kept]
        own = [("mark", str(self.mark)), ("sent", self.entered.kind)]
        return [*(columns or [("with", "")]), *own]

    @property
    def answer(self) -> outcomes.OutcomeSentence | None:
        if self.own is None or self.evaluation is None:
            return None
        return outcomes.answer(self.sweep, self.own, self.evaluation)

    @property
    def rows(self) -> Sequence[outcomes.OutcomeRow]:
        if self.evaluation is None or not self.columns:
            return ()
        return outcomes.rows(self.sweep, self.columns, self.evaluation)

    @property
    def picture(self) -> ended.EndedMap | None:
        if self.own is None or self.evaluation is None:
            return None
        return ended.picture(self.own, self.evaluation)

    @cached_property
    def lines(self) -> list[ended.EndedTrial]:
        if self.own is None or self.evaluation is None:
            return []
        return ended.lines(self.sweep, self.own, self.evaluation)

    # --- the trade-off ------------------------------------------------------------

    @property
    def varied(self) -> list[tuple[str, str]]:
        """The settings whose range may be drawn: name and words."""
        own = self.entered.settings
        names = varied_fields(own) if own else []
        return [(name, name.replace("_", " ")) for name in names]

    @property
    def vary(self) -> str:
        """The setting whose range is drawn; empty when there is none."""
        own, asked = self.entered.settings, self._query.get("vary", "")
        if own is None:
            return ""
        return asked if asked in varied_fields(own) else main_field(own) or ""

    def trade_off(self) -> TradeOff | None:
        own = self.entered.settings
        if self.recording is None or self.is_empty or own is None:
            return None
        return trade_off(
            self.sweep, self.mark, self.recording, own, self.proposed, field=self.vary
        )

    # --- what may be done with it -------------------------------------------------

    @property
    def new_sweep_url(self) -> str:
        own = self.entered.settings
        pairs = {"clone": str(self.sweep.pk)}
        if own is not None:
            pairs["early_termination"] = settings_text(own)
        return f"{reverse('sweep_create')}?{urlencode(pairs)}"

    @property
    def own_text(self) -> str:
        own = self.entered.settings
        return settings_text(own) if own is not None else ""

    @cached_property
    def targets(self) -> list[Sweep]:
        """Sweeps of the experiment that have not ended and have the same objective:
        this one first, then the newest."""
        live = (
            Sweep.objects.filter(
                experiment=self.sweep.experiment_id,
                primary_metric=self.sweep.primary_metric,
                goal=self.sweep.goal,
                archived_at=None,
            )
            .exclude(state__in=SWEEP_ENDS)
            .select_related("experiment")
            .order_by("-pk")[:10]
        )
        return sorted(live, key=lambda sweep: sweep.pk != self.sweep.pk)

    # --- how far it can be trusted ------------------------------------------------

    @property
    def facts(self) -> list[str]:
        recording, evaluation = self.recording, self.evaluation
        if recording is None or evaluation is None or self.is_empty:
            return [counted(self.mark.reports, "report")]
        complete = int(recording.complete.sum())
        curves = counted(complete, "complete curve")
        if complete == len(recording.numbers):
            exact = (
                f"{curves} of {_reports_words(evaluation)}, so the simulation is exact"
            )
        else:
            exact = f"{curves} of {counted(len(recording.numbers), 'trial')}"
        return [exact, "the code that judges live sweeps"]

    @property
    def limits(self) -> list[str]:
        """What the replay takes for granted, in sentences."""
        if self.recording is None or self.evaluation is None or self.is_empty:
            return []
        return limits_in_words(self.evaluation)


def known_settings(sweep: Sweep) -> Settings | None:
    """The settings of the sweep's own policy; None without one that is known."""
    try:
        policy = make_policy(sweep.early_termination, sweep.objective)
    except DefinitionError:
        return None
    return policy.settings() if policy is not None else None


def _reports_words(evaluation: Evaluation) -> str:
    reports = evaluation.recording.reports
    low, high = int(reports.min()), int(reports.max())
    return counted(high, "report") if low == high else f"{low:,} to {high:,} reports"
