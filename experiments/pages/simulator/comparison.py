"""What the page of the simulator shows: the entered policies and their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from experiments.models import Sweep
from experiments.models.sweeps import SWEEP_ENDS
from experiments.pages.simulator.ended import (
    ended_map,
    ended_trials,
)
from experiments.pages.simulator.form import (
    MAX_OTHERS,
    YAML,
    EnteredPolicy,
    SettingField,
    Settings,
    first_others,
    has_form,
    query_text,
    read_entered,
    read_others,
    setting_fields,
    settings_text,
)
from experiments.pages.simulator.outcomes import (
    PolicyOutcome,
    happened,
    outcome,
    outcome_rows,
    outcome_sentence,
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

# A simulation is dropped if no page has asked for it in this many seconds.
KEEP = 6.0


@dataclass(frozen=True)
class ComparisonInput:
    """A sweep at its mark, and the policies that the address compares.

    `kept` are the policies that have a column, `proposed` settings by kind, and `vary`
    is the setting of the entered policy that the trade-off varies, among `varied`.
    """

    sweep: Sweep
    mark: Mark
    recording: Recording | None
    reading: SimulationResult
    proposed: dict[str, dict[str, Any]]
    entered: EnteredPolicy
    kept: list[Settings]
    varied: list[str]
    vary: str

    @classmethod
    def read(cls, sweep: Sweep, query: QueryDict) -> ComparisonInput:
        mark = mark_named(sweep, query.get("mark", ""))
        recording, reading = read(sweep, mark, keep=KEEP)
        proposed = proposals(recording or Recording.empty(), sweep.objective)
        first = known_settings(sweep) or next(iter(proposed.values()))
        entered = read_entered(query, proposed, first, sweep.objective)
        kept = read_others(query, sweep.objective)
        if kept is None:
            kept = first_others(proposed, entered.kind)
        own, vary = entered.settings, query.get("vary", "")
        varied = varied_fields(own) if own else []
        if own and vary not in varied:
            vary = main_field(own) or ""
        return cls(
            sweep,
            mark,
            recording,
            reading,
            proposed,
            entered,
            kept,
            varied,
            vary if own else "",
        )

    @property
    def is_empty(self) -> bool:
        """Whether the sweep has no reports to simulate."""
        return self.recording is not None and self.recording.size == 0

    @property
    def compared(self) -> list[Settings]:
        """The entered policy, if it is valid, and the others."""
        own = self.entered.settings
        others = [each for each in self.kept if each != own]
        return others if own is None else [own, *others]

    def result(self) -> SimulationResult:
        if self.recording is None or self.is_empty:
            return self.reading
        question = Question.of(self.sweep, self.mark, self.compared)
        return ask(self.sweep, question, keep=KEEP)

    def trade_off(self) -> TradeOff | None:
        own = self.entered.settings
        if self.recording is None or self.is_empty or own is None:
            return None
        return trade_off(
            self.sweep, self.mark, self.recording, own, self.proposed, field=self.vary
        )

    def address(self, kept: Sequence[Settings]) -> str:
        """The parameters of the page with these columns."""
        return query_text(self.entered, kept, mark=str(self.mark), vary=self.vary)


def compare(given: ComparisonInput) -> dict[str, Any]:
    """What the page's templates show: its form, how far the simulations are, and what
    they found.

    ``final``: asking again would bring nothing new. ``own`` is the column of the
    entered policy; what depends on it is None or empty without it.
    """
    recording, own = given.recording, given.entered.settings
    result, fields = given.result(), _fields(given)
    is_read = recording is not None
    return {
        "entered": given.entered,
        "options": _options(given),
        "fields": fields,
        "problems": _problems(given.entered, fields),
        "hidden": _hidden(given),
        "varied": [(name, name.replace("_", " ")) for name in given.varied],
        "vary": given.vary,
        "is_empty": given.is_empty,
        "final": given.is_empty
        or bool(result.problem)
        or (is_read and result.complete),
        "result": result,
        "percent": round(100 * result.done),
        "waiting_for": _waiting_for(given),
        "keep_query": _keep_query(given),
        "own_text": settings_text(own) if own is not None else "",
        "new_sweep_url": _new_sweep_url(given),
        "facts": [_reports(given)],
        **_outcomes(given, result),
    }


def _outcomes(given: ComparisonInput, result: SimulationResult) -> dict[str, Any]:
    """Empty until the reports are read."""
    if given.recording is None or given.is_empty:
        return {}
    sweep, evaluation = given.sweep, Evaluation(given.recording)
    columns = _columns(given, result, evaluation)
    own = next((each for each in columns if each.own), None)
    found = {
        "columns": columns,
        "rows": outcome_rows(sweep, columns, evaluation),
        "own": own,
        "facts": _facts(evaluation),
        "limits": limits_in_words(evaluation),
    }
    if own is not None:
        found |= {
            "sentence": outcome_sentence(sweep, own, evaluation),
            "ended_map": ended_map(own, evaluation),
            "ended_trials": ended_trials(sweep, own, evaluation),
        }
    return found


def _columns(
    given: ComparisonInput, result: SimulationResult, evaluation: Evaluation
) -> list[PolicyOutcome]:
    """What really happened, and the policies whose simulation is done."""
    found = [happened(given.sweep, evaluation)]
    for settings, ends in zip(given.compared, result.answers, strict=False):
        if not isinstance(ends, np.ndarray):
            continue
        own = settings == given.entered.settings
        rest = [each for each in given.kept if each != settings]
        query = "" if own else given.address(rest)
        found.append(outcome(settings, ends, evaluation, own=own, remove_query=query))
    return found


def _options(given: ComparisonInput) -> list[tuple[str, str, str]]:
    """The kinds that have a form, and one for all others: value, name and use."""
    kinds = filter(has_form, given.proposed)
    found = [(kind, POLICIES[kind].title, POLICIES[kind].use) for kind in kinds]
    return [*found, (YAML, "Any other, as YAML", "any or all of several")]


def _fields(given: ComparisonInput) -> list[SettingField]:
    if given.entered.kind not in given.proposed:
        return []
    longest = given.recording.longest if given.recording is not None else 0
    return setting_fields(given.entered, longest=longest)


def _problems(entered: EnteredPolicy, fields: Sequence[SettingField]) -> list[str]:
    """Sentences about the policy that do not belong to one of its fields."""
    names = {field.name for field in fields}
    found = entered.problems.items()
    return [text for name, texts in found if name not in names for text in texts]


def _hidden(given: ComparisonInput) -> list[tuple[str, str]]:
    """The form's hidden fields: the columns, the mark and the kind of the fields."""
    columns = [("with", settings_text(each)) for each in given.kept]
    own = [("mark", str(given.mark)), ("sent", given.entered.kind)]
    return [*(columns or [("with", "")]), *own]


def _waiting_for(given: ComparisonInput) -> str:
    if given.recording is None:
        return f"Reading {_reports(given)}"
    return f"Simulating {counted(given.recording.size, 'report')}"


def _reports(given: ComparisonInput) -> str:
    return counted(given.mark.reports, "report")


def _keep_query(given: ComparisonInput) -> str:
    """The address with the entered policy as a column; empty if there is no room."""
    own = given.entered.settings
    if own is None or own in given.kept or len(given.kept) >= MAX_OTHERS:
        return ""
    return given.address([own, *given.kept])


def _new_sweep_url(given: ComparisonInput) -> str:
    pairs = {"clone": str(given.sweep.pk)}
    if given.entered.settings is not None:
        pairs["early_termination"] = settings_text(given.entered.settings)
    return f"{reverse('sweep_create')}?{urlencode(pairs)}"


def _facts(evaluation: Evaluation) -> list[str]:
    recording = evaluation.recording
    complete, trials = int(recording.complete.sum()), len(recording.numbers)
    curves = counted(complete, "complete curve")
    if complete < trials:
        exact = f"{curves} in {counted(trials, 'trial')}"
    else:
        low, high = int(recording.reports.min()), int(recording.reports.max())
        each = (
            counted(high, "report") if low == high else f"{low:,} to {high:,} reports"
        )
        exact = f"{curves} of {each}, so the simulation is exact"
    return [exact, "simulated by the code that judges live sweeps"]


def apply_targets(sweep: Sweep) -> list[Sweep]:
    """Sweeps of the experiment that have not ended and have the same objective: this
    one first, then the newest."""
    live = (
        Sweep.objects.filter(
            experiment=sweep.experiment_id,
            primary_metric=sweep.primary_metric,
            goal=sweep.goal,
            archived_at=None,
        )
        .exclude(state__in=SWEEP_ENDS)
        .select_related("experiment")
        .order_by("-pk")[:10]
    )
    return sorted(live, key=lambda each: each.pk != sweep.pk)


def known_settings(sweep: Sweep) -> Settings | None:
    """The settings of the sweep's policy; None if it has none or an unknown one."""
    try:
        policy = make_policy(sweep.early_termination, sweep.objective)
    except DefinitionError:
        return None
    return policy.settings() if policy is not None else None
