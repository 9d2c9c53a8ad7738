"""What a sweep's overview shows above its charts, in them and in its short table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.http import QueryDict
from django.template.loader import render_to_string

from experiments.cleanup import quotas
from experiments.models import Trial
from experiments.pages.frame import digest
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
from experiments.pages.sweep.trial_lines import TrialLines
from experiments.pages.sweep.trial_table import FEW, TableQuery, TableRows
from experiments.pages.trial_rows import TrialRow, trial_rows
from experiments.sweeps.search_status import search_status
from experiments.sweeps.trial_columns import trials_at
from experiments.sweeps.warnings import (
    MissingResults,
    missing_results,
    own_slack_warning,
)


@dataclass(frozen=True)
class TrialTable:
    """The first rows as HTML, by the trial's id. When ``look`` changes, all rows may
    look different."""

    query: TableQuery
    rows: Mapping[int, str]
    look: str


@dataclass(frozen=True)
class SweepView:
    """The trials of a sweep: rows of the table, and those whose curves are drawn."""

    table: TrialTable
    charted: Sequence[TrialRow]


def sweep_view(
    summary: SweepSummary, query: TableQuery, *, charted: Iterable[Trial] = ()
) -> SweepView:
    """The table and the charts of some trials, read together."""
    places = TableRows(query).few(FEW)
    picked = trials_at(query.columns, places)
    drawn = [trial.pk for trial in charted]
    shown = {trial.pk: trial for trial in (*charted, *picked)}
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
    lines = TrialLines.of_rows(query, places, rows)
    html = dict(zip((row["id"] for row in lines.rows), lines.html(), strict=True))
    look = digest(repr((list(html), query.sort, lines.scale, lines.longest)))
    return SweepView(TrialTable(query, html, look), [rows[pk] for pk in drawn])


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
    over_quota: str | None
    slack_warning: str
    missing: MissingResults | None
    preflight: PreflightCard | None
    failure: FailureCard | None
    failure_line: str
    configuration: BestConfiguration | None

    @property
    def shows_preflight(self) -> bool:
        """Not beside the failure card if that has the same news."""
        card = self.preflight
        return card is not None and not (self.failure and card.is_failure)

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
        over_quota=quotas.waiting_text(sweep),
        slack_warning="" if sweep.has_ended else own_slack_warning(sweep),
        missing=missing_results(sweep),
        preflight=preflight_card(sweep),
        failure=failure,
        failure_line=failure_line(summary),
        configuration=best_configuration(sweep, best)
        if best is not None and sweep.has_ended
        else None,
    )
