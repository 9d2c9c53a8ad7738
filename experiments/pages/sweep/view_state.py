"""One look at a sweep: its standing, the table that was asked for, and rows of both
table and charts, fetched together. The overview and its feed share it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from django.http import QueryDict
from django.template.loader import render_to_string

from experiments.models import Sweep, Trial
from experiments.pages.live_parts import digest
from experiments.pages.rows import TrialRow, trial_rows
from experiments.pages.sweep.best_configuration import (
    BestConfiguration,
    best_configuration,
)
from experiments.pages.sweep.charts import points_each
from experiments.pages.sweep.failure_card import (
    FailureCard,
    failure_card,
    failure_line,
)
from experiments.pages.sweep.likely import LikelyStrip, likely_strip
from experiments.pages.sweep.preflight_card import PreflightCard, preflight_card
from experiments.pages.sweep.standing import SweepStanding, sweep_standing
from experiments.pages.sweep.tiles import Tiles, sweep_tiles
from experiments.pages.sweep.trial_table import TableRow, TrialTable
from experiments.pages.sweep.waiting_card import WaitingCard, waiting_card
from experiments.search_now import SearchNow, search_now
from experiments.slack import own_slack_doubt


class SweepView:
    """``charted`` are the trials whose curves the charts are to be given, ``steers``
    is whether the viewer may change the sweep."""

    def __init__(
        self,
        sweep: Sweep,
        query: QueryDict,
        *,
        few: bool,
        now: datetime,
        steers: bool = False,
    ) -> None:
        self.sweep = sweep
        self.now = now
        self.steers = steers
        self.standing: SweepStanding = sweep_standing(sweep, now=now)
        self.table = TrialTable(sweep, query, best=self.standing.best, few=few)
        self.charted: Sequence[Trial] = ()

    @cached_property
    def _rows(self) -> dict[int, TrialRow]:
        """Rows of all trials that are shown anywhere, by id."""
        trials = {t.pk: t for t in (*self.charted, *self.table.trials)}
        best = self.standing.best
        rows = trial_rows(
            self.sweep,
            trials.values(),
            now=self.now,
            best_id=best.pk if best else None,
            of=self.standing.ranked,
            most_points=points_each(len(trials)),
            wide=bool(self.charted),
        )
        return {row["id"]: row for row in rows}

    def rows_of(self, trials: Iterable[Trial]) -> list[TrialRow]:
        return [self._rows[trial.pk] for trial in trials]

    @cached_property
    def table_rows(self) -> list[TableRow]:
        return self.table.rows(self.rows_of(self.table.trials))

    @cached_property
    def look(self) -> str:
        return digest(self.table.look(self.rows_of(self.table.trials)))

    @cached_property
    def search(self) -> SearchNow:
        return search_now(self.sweep, tried=self.standing.tried)

    @property
    def tiles(self) -> Tiles:
        return sweep_tiles(self.standing, self.search)

    @cached_property
    def likely(self) -> LikelyStrip | None:
        best, likely = self.standing.best, self.search.likely
        return likely_strip(self.sweep, likely, best, steers=self.steers)

    @cached_property
    def waiting(self) -> WaitingCard | None:
        """Trials that somebody asked for and that have not begun."""
        return waiting_card(self.sweep)

    @cached_property
    def slack_doubt(self) -> str:
        """Why the policy's slack does not suit the metric; empty where it does."""
        return "" if self.sweep.has_ended else own_slack_doubt(self.sweep)

    @cached_property
    def failure(self) -> FailureCard | None:
        return failure_card(self.standing, self.table.query)

    @cached_property
    def failure_line(self) -> str:
        """One line about failures where the card is not there; else empty."""
        return failure_line(self.standing)

    @cached_property
    def preflight(self) -> PreflightCard | None:
        return preflight_card(self.sweep)

    @cached_property
    def configuration(self) -> BestConfiguration | None:
        """The best configuration, once nothing can beat it any more."""
        best = self.standing.best
        if best is None or not self.sweep.has_ended:
            return None
        return best_configuration(self.sweep, best)

    @property
    def failed_without_answer(self) -> bool:
        """The failure card stands in for the tiles."""
        over = self.sweep.has_ended and self.standing.best is None
        return over and self.failure is not None

    def answers_html(self) -> str:
        """Tiles and cards: everything above the charts, without a form in it."""
        return render_to_string("experiments/sweep/answers.html", {"view": self})

    def row_html(self, row: TableRow) -> str:
        return render_to_string(
            "experiments/sweep/row.html", {"line": row, "table": self.table}
        )

    def context(self) -> dict[str, Any]:
        return {"view": self, "standing": self.standing, "table": self.table}
