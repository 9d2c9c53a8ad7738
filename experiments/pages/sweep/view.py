"""What a sweep's page and its feed show: table and charts, and the answers above."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.http import QueryDict
from django.template.loader import render_to_string

from experiments.models import Trial
from experiments.pages.sweep.best_configuration import (
    BestConfiguration,
    best_configuration,
)
from experiments.pages.sweep.cards import (
    PreflightCard,
    WaitingCard,
    preflight_card,
    waiting_card,
)
from experiments.pages.sweep.charts import points_each
from experiments.pages.sweep.failure_card import FailureCard, failure_card, failure_line
from experiments.pages.sweep.search_tile import LikelyStrip, likely_strip
from experiments.pages.sweep.summary import SweepSummary
from experiments.pages.sweep.tiles import Tiles, sweep_tiles
from experiments.pages.sweep.trial_table import (
    TableQuery,
    TrialTable,
    picked_trials,
    trial_table,
)
from experiments.pages.trial_rows import TrialRow, trial_rows
from experiments.sweeps.search_status import search_status
from experiments.sweeps.warnings import own_slack_warning


@dataclass(frozen=True)
class SweepView:
    """The trials of a sweep: rows of the table, and those whose curves are drawn."""

    table: TrialTable
    charted: Sequence[TrialRow]


def sweep_view(
    summary: SweepSummary, query: TableQuery, *, charted: Iterable[Trial] = ()
) -> SweepView:
    """The table and the charts of some trials, read together."""
    picked = picked_trials(query, best=summary.best)
    drawn = [trial.pk for trial in charted]
    shown = {trial.pk: trial for trial in (*charted, *picked.trials)}
    made = trial_rows(
        summary.sweep,
        shown.values(),
        now=summary.now,
        best_id=summary.best.pk if summary.best else None,
        of=summary.ranked,
        most_points=points_each(len(shown)),
        wide=bool(drawn),
    )
    rows = {row["id"]: row for row in made}
    table = trial_table(query, picked, [rows[trial.pk] for trial in picked.trials])
    return SweepView(table, [rows[pk] for pk in drawn])


@dataclass(frozen=True)
class Answers:
    """Tiles and cards above the charts; no tiles where the failure card replaces them.

    ``slack_warning`` says why the policy's slack does not suit the metric,
    ``failure_line`` is about failures where there is no card; both may be empty.
    ``configuration``: the best one, of an ended sweep. ``steers``: the viewer may
    change the sweep.
    """

    sweep_id: int
    steers: bool
    tiles: Tiles | None
    likely: LikelyStrip | None
    waiting: WaitingCard | None
    slack_warning: str
    preflight: PreflightCard | None
    failure: FailureCard | None
    failure_line: str
    configuration: BestConfiguration | None

    def html(self) -> str:
        """The feed sends it too."""
        return render_to_string("experiments/sweep/answers.html", {"answers": self})


def answers_of(summary: SweepSummary, query: QueryDict, *, steers: bool) -> Answers:
    sweep, best = summary.sweep, summary.best
    failure = failure_card(summary, query)
    search = search_status(sweep, tried=summary.tried)
    over_without_best = sweep.has_ended and best is None
    return Answers(
        sweep_id=sweep.pk,
        steers=steers,
        tiles=None if over_without_best and failure else sweep_tiles(summary, search),
        likely=likely_strip(sweep, search.likely, best, steers=steers),
        waiting=waiting_card(sweep),
        slack_warning="" if sweep.has_ended else own_slack_warning(sweep),
        preflight=preflight_card(sweep),
        failure=failure,
        failure_line=failure_line(summary),
        configuration=best_configuration(sweep, best)
        if best is not None and sweep.has_ended
        else None,
    )
