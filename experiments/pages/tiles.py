"""The four answers at the top of a sweep's page, in words. Pure: no queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.pages.sweep_standing import SweepStanding
from experiments.search.figures import counted
from experiments.words import MINUS, duration_text, metric_text, share_text, signed_text

# After the end: whether it would pay to try so many more.
MORE = 20
# A chance up to this means settled; up to the second, close to settled.
SETTLED, NEARLY = 0.1, 0.35

WHY_ENDED: Mapping[str, str] = {
    "max_total_trials": "ended because all {tried:,} were tried",
    "exhausted": "ended because every configuration was tried",
    "target": "ended because the target was reached",
    "sweep_timeout": "ended because its time was over",
    "first_trials_failed": "stopped because the first all failed",
    "all_failed": "ended: all have failed",
    "user": "cancelled by a person",
}


@dataclass(frozen=True)
class Lead:
    """How far the best is ahead of something: ``+0.0067`` ``over`` the next."""

    gap: str
    side: str
    trial: Trial | None = None


@dataclass(frozen=True)
class BestTile:
    metric: str
    trial: Trial | None
    leads: tuple[Lead, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class ProgressTile:
    label: str
    aside: str
    value: int
    unit: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class ComputeTile:
    """``used`` and ``saved`` in whole seconds, for the bar."""

    used: int
    saved: int
    early: str
    share: str
    text: str = ""


@dataclass(frozen=True)
class SearchTile:
    title: str
    text: str
    chance: str = ""
    chance_of: str = ""


@dataclass(frozen=True)
class Tiles:
    best: BestTile
    progress: ProgressTile
    compute: ComputeTile
    search: SearchTile


def sweep_tiles(standing: SweepStanding) -> Tiles:
    return Tiles(
        best=best_tile(standing),
        progress=progress_tile(standing),
        compute=compute_tile(standing),
        search=search_tile(standing),
    )


# --- best -------------------------------------------------------------------------


def best_tile(standing: SweepStanding) -> BestTile:
    sweep, best = standing.sweep, standing.best
    if best is None or best.value is None:
        return BestTile(sweep.primary_metric, None, text=_no_value(standing))
    leads = []
    runner_up, middle = standing.runner_up, standing.middle
    if runner_up is not None and runner_up.value is not None:
        leads.append(_lead(sweep, best.value, runner_up.value, runner_up))
    if middle is not None and standing.ranked > 2:
        leads.append(_lead(sweep, best.value, middle))
    text = "" if leads else "The only trial with a value so far."
    return BestTile(sweep.primary_metric, best, tuple(leads), text)


def _lead(sweep: Sweep, best: float, other: float, trial: Trial | None = None) -> Lead:
    side = "over" if sweep.goal == "maximize" else "under"
    if best == other:
        return Lead("level", "with", trial)
    return Lead(_gap(best, other), side, trial)


def _gap(best: float, other: float) -> str:
    """The difference with the decimals that the best value shows, or two digits."""
    decimals = len(metric_text(best).partition(".")[2])
    gap = round(best - other, decimals)
    if gap == 0 or abs(gap) >= 1000:
        return signed_text(best - other, 2)
    sign = "+" if gap > 0 else MINUS
    return f"{sign}{abs(gap):.{decimals}f}"


def _no_value(standing: SweepStanding) -> str:
    leader, counts = standing.leader, standing.counts
    if leader is not None:
        value = metric_text(leader.value)
        return f"Trial {leader.number} leads with {value}; it counts once it has ended."
    if counts[TrialState.RUNNING]:
        return "No trial has reported it yet."
    if standing.sweep.has_ended:
        return "No trial has reported it."
    return "Comes with the first trial that ends."


# --- progress ---------------------------------------------------------------------


def progress_tile(standing: SweepStanding) -> ProgressTile:
    sweep, over = standing.sweep, standing.sweep.has_ended
    unit = f"of {counted(standing.planned, 'trial')} ended"
    if over and standing.ran_for is not None:
        unit = f"of {_most(standing)} in {duration_text(standing.ran_for)}"
    return ProgressTile(
        label="Trials" if over else "Progress",
        aside=why_ended(standing) if over else _forecast(sweep, standing),
        value=standing.ended,
        unit=unit,
        counts=standing.bar,
    )


def _most(standing: SweepStanding) -> str:
    return counted(standing.planned, "trial")


def why_ended(standing: SweepStanding) -> str:
    words = WHY_ENDED.get(standing.sweep.reason, standing.sweep.state)
    if standing.tried == 1:
        words = words.replace("all {tried:,} were", "its one trial was")
    return words.format(tried=standing.tried)


def _forecast(sweep: Sweep, standing: SweepStanding) -> str:
    if sweep.state == SweepState.DRAFT:
        return "not started"
    if sweep.state == SweepState.PAUSED:
        return f"paused, {standing.live} still running" if standing.live else "paused"
    left = standing.seconds_left
    if left is None:
        return "end not known yet"
    end = standing.now + timedelta(seconds=left)
    return f"ends in about {_rounded(left)}, {day_and_clock(end, standing.now)}"


def _rounded(seconds: float) -> str:
    """An estimate without more digits than it has: tens of seconds, then minutes."""
    step = 10 if seconds < 600 else 60
    text = duration_text(max(1, round(seconds / step)) * step)
    return text.removesuffix(" 00 s") if seconds >= 60 else text


def day_and_clock(moment: datetime, now: datetime) -> str:
    """``14:25`` of today, ``yesterday 14:25``, ``3 Nov 14:25``."""
    local, today = timezone.localtime(moment), timezone.localtime(now).date()
    clock = f"{local:%H:%M}"
    days = (today - local.date()).days
    if days == 0:
        return clock
    if days in (1, -1):
        return f"{'yesterday' if days == 1 else 'tomorrow'} {clock}"
    year = f" {local.year}" if local.year != today.year else ""
    return f"{local.day} {local:%b}{year} {clock}"


# --- compute ----------------------------------------------------------------------


def compute_tile(standing: SweepStanding) -> ComputeTile:
    used, saved = standing.progress.spent, standing.progress.saved
    early = standing.counts[TrialState.TERMINATED]
    return ComputeTile(
        used=round(used),
        saved=round(saved),
        early=counted(early, "early end"),
        share=share_text(saved / (used + saved)) if saved else "",
        text="" if saved else _nothing_saved(standing, early),
    )


def _nothing_saved(standing: SweepStanding, early: int) -> str:
    if not standing.sweep.early_termination:
        return "No early termination: each trial runs to its end."
    if not early:
        return "No trial was ended early so far."
    if not standing.counts[TrialState.COMPLETED]:
        return f"{counted(early, 'early end')}; the saving shows once one completes."
    return f"{counted(early, 'early end')}, none shorter than a usual trial."


# --- search -----------------------------------------------------------------------


def search_tile(standing: SweepStanding) -> SearchTile:
    """What the search is doing, without claiming more than the sampler can."""
    sampler = sampler_of(standing.sweep)
    if standing.sweep.state == SweepState.DRAFT:
        return SearchTile("Not started", "Nothing has been tried yet.")
    words = _TILES.get(sampler, _other_tile)
    return words(standing)


def sampler_of(sweep: Sweep) -> str:
    settings = sweep.definition.get("sampling_algorithm", {})
    return str(settings.get("type", "random"))


def _grid_tile(standing: SweepStanding) -> SearchTile:
    whole = standing.combinations or standing.planned
    title = "Going through the grid"
    if standing.sweep.has_ended:
        title = "All tried" if standing.ended >= whole else "Not all tried"
    text = f"{standing.ended:,} of {counted(whole, 'combination')} tried."
    if whole > standing.planned:
        text += f" The budget ends at {standing.planned:,}."
    return SearchTile(title, f"{text} {_since_best(standing)}".strip())


def _random_tile(standing: SweepStanding) -> SearchTile:
    since, best = _since_best(standing), standing.best
    if best is None:
        return SearchTile(
            "Over" if standing.sweep.has_ended else "Exploring at random", since
        )
    whole = standing.combinations
    if whole is not None and standing.tried >= whole:
        return SearchTile("Settled", f"Every one of {whole:,} combinations was tried.")
    over = standing.sweep.has_ended
    more = MORE if over else standing.to_come
    if whole is not None:
        more = min(more, whole - standing.ended)
    chance = chance_to_improve(standing.ranked, more)
    return SearchTile(
        title=_settled(chance) if over else "Exploring at random",
        text=since,
        chance=share_text(chance) if more else "",
        chance_of=_chance_words(more, best.number, over=over),
    )


def _chance_words(more: int, best: int, *, over: bool) -> str:
    if not more:
        return ""
    if over:
        return f"Chance that {more} more beat trial {best}:"
    if more == 1:
        return "Chance that the one to come beats it:"
    return f"Chance that one of the {more:,} to come beats it:"


def _other_tile(standing: SweepStanding) -> SearchTile:
    title = "Search ended" if standing.sweep.has_ended else "Searching"
    return SearchTile(title, _since_best(standing))


_TILES: Mapping[str, Callable[[SweepStanding], SearchTile]] = {
    "random": _random_tile,
    "grid": _grid_tile,
}


def chance_to_improve(ranked: int, more: int) -> float:
    """The chance that the best of ``more`` new draws beats all of ``ranked`` old ones.

    Draws from one law are exchangeable: the greatest of them all is as likely to be
    any one of them, and so is among the new with N / (n + N). Holds without
    replacement too; ties make it an upper bound.
    """
    return more / (ranked + more) if ranked + more else 0.0


def _settled(chance: float) -> str:
    if chance <= SETTLED:
        return "Settled"
    return "Close to settled" if chance <= NEARLY else "Not settled yet"


def _since_best(standing: SweepStanding) -> str:
    best, since = standing.best, standing.since_best
    if best is None:
        return f"{counted(standing.ended, 'trial')} ended, none with a value."
    if not since:
        return f"No trial has ended since trial {best.number}, the best."
    return f"{counted(since, 'trial')} ended since trial {best.number}, none better."
