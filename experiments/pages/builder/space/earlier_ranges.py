"""Ranges that the best trials of the experiment's earlier sweeps propose."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.models import Team, Trial
from experiments.models.trials import IS_RANKED
from experiments.pages.builder.filling import row_from
from experiments.pages.builder.form import SweepForm
from experiments.pages.builder.judge import objective_of
from experiments.pages.builder.space.kinds import NATURAL
from experiments.pages.builder.space.parameters import ParameterForm, RowTexts
from experiments.pages.builder.space.pictures import law_of
from experiments.search.records import Objective, Params
from experiments.search.space.changes import distribution_text
from experiments.search.space.range_proposals import MIN_TRIALS, propose_range
from experiments.search.wording import counted

# The newest trials, when an experiment has more.
MAX_TRIALS = 5_000


@dataclass(frozen=True)
class EarlierTrials:
    """Values of trials of one metric, the best first, from some `sweeps`."""

    params: Sequence[Params] = ()
    sweeps: int = 0

    @property
    def words(self) -> str:
        """`40 trials of 2 earlier sweeps`."""
        trials, sweeps = len(self.params), counted(self.sweeps, "earlier sweep")
        return f"{counted(trials, 'trial')} of {sweeps}"


@dataclass(frozen=True)
class RangeView:
    """A proposal for a row of the form: both ranges in words, and the row's texts."""

    number: str
    name: str
    old: str
    new: str
    best: int
    trials: int
    texts: RowTexts

    @property
    def texts_json(self) -> str:
        return json.dumps(self.texts)


@dataclass(frozen=True)
class RangeViews:
    """The proposals for a form, and a sentence on what they are from."""

    sentence: str
    found: Sequence[RangeView] = ()


def earlier_trials(team: Team, experiment: str, objective: Objective) -> EarlierTrials:
    """The newest ranked trials of an experiment's sweeps with the same metric and goal.
    One query."""
    found = list(
        Trial.objects.kept()
        .filter(
            IS_RANKED,
            experiment__team=team,
            experiment__name=experiment,
            sweep__primary_metric=objective.primary_metric,
            sweep__goal=objective.goal,
        )
        .order_by("-pk")
        .values_list("value", "params", "sweep")[:MAX_TRIALS]
    )
    found.sort(key=lambda row: row[0] or 0, reverse=objective.goal == "maximize")
    sweeps = {sweep for _, _, sweep in found}
    return EarlierTrials([params for _, params, _ in found], len(sweeps))


def ranges_for(team: Team, form: SweepForm) -> RangeViews | None:
    """The proposals for the form's rows; None if nobody has opened them."""
    if form.text("ranges") != "1":
        return None
    objective = objective_of(form)
    name = form.text("experiment_name").strip()
    if objective is None or not (name + objective.primary_metric).isprintable():
        return RangeViews(
            "Enter the experiment, the primary metric and its goal first."
        )
    earlier = earlier_trials(team, name, objective)
    if not earlier.params:
        return RangeViews(
            f"No earlier sweep of {name} has a trial with a value of"
            f" {objective.primary_metric}, to {objective.goal}."
        )
    if len(earlier.params) < MIN_TRIALS:
        return RangeViews(
            f"A proposal needs {MIN_TRIALS} trials with a value; there are"
            f" {earlier.words}."
        )
    views = (_range_view(row, earlier) for row in form.rows)
    found = [view for view in views if view is not None]
    if not found:
        return RangeViews(
            f"Nothing to change: these ranges fit the best quarter of {earlier.words}."
        )
    return RangeViews(f"From the best quarter of {earlier.words}.", found)


def with_range(team: Team, form: SweepForm, number: str) -> SweepForm:
    """The form with a proposal in its row."""
    ranges = ranges_for(team, form.with_data(ranges="1"))
    found = {view.number: view.texts for view in ranges.found} if ranges else {}
    if number not in found:
        return form
    rows = [
        {**row.texts, **(found[number] if row.number == number else {})}
        for row in form.rows
    ]
    return form.with_rows(rows, focus="ranges")


def _range_view(row: ParameterForm, earlier: EarlierTrials) -> RangeView | None:
    law, name = law_of(row) if row.is_used else None, row.name_as_read
    if law is None:
        return None
    values = [params[name] for params in earlier.params if name in params]
    found = propose_range(law, values)
    if found is None:
        return None
    as_logs = row.spec.in_logs and not row.in_natural_units
    mapping = found.distribution.dump()
    texts = row_from(name, mapping, base=row.log_base, as_logs=as_logs) or {}
    new = {field.name: texts.get(field.name, "") for field in row.spec.fields}
    if row.spec.in_logs:
        new["unit"] = texts.get("unit", NATURAL)
    return RangeView(
        row.number,
        row.key,
        distribution_text(law),
        distribution_text(found.distribution),
        found.best,
        found.trials,
        new,
    )
