"""What a sweep's overview shows above its charts, in them and in its short table."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from django.http import QueryDict
from django.template.loader import render_to_string

from experiments.cleanup import quotas
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
from experiments.pages.sweep.charts import ChartRow
from experiments.pages.sweep.failure_card import FailureCard, failure_card, failure_line
from experiments.pages.sweep.search_tile import LikelyStrip, likely_strip
from experiments.pages.sweep.sparklines import sweep_scale
from experiments.pages.sweep.summary import SweepSummary
from experiments.pages.sweep.tiles import Tiles, sweep_tiles
from experiments.pages.sweep.trial_lines import TrialLines, longest_completed
from experiments.pages.sweep.trial_table import FEW, TableQuery, TableRows
from experiments.sweeps.search_status import search_status
from experiments.sweeps.warnings import (
    MissingResults,
    missing_results,
    own_slack_warning,
)


@dataclass(frozen=True)
class TrialTable:
    """The first rows, in ``order`` of ids, and the HTML of some of them. When ``look``
    changes, all rows may look different."""

    query: TableQuery
    order: Sequence[int]
    rows: Mapping[int, str]
    look: str


def trial_table(
    summary: SweepSummary,
    query: TableQuery,
    *,
    look: str = "",
    changed: Container[int] = (),
    charted: Sequence[ChartRow] = (),
) -> TrialTable:
    """With the HTML of all rows; where they look as ``look`` says, only of trials
    ``changed``, by id. The curves of trials in ``charted`` are not read again."""
    columns = query.columns
    places = TableRows(query).few(FEW)
    order = columns.data.ids[places].tolist()
    scale = sweep_scale(columns), longest_completed(query)
    # The best one's row says of how many.
    now = digest(repr((order, query.sort, scale, summary.ranked)))
    if now == look:
        places = places[[pk in changed for pk in order]]
    curves = {row["id"]: row["curve"] for row in charted}
    lines = TrialLines.of(
        query, places, now=summary.now, of=summary.ranked, curves=curves
    )
    html = dict(zip((row["id"] for row in lines.rows), lines.html(), strict=True))
    return TrialTable(query, order, html, now)


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
