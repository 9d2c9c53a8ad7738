"""What the search is doing, how likely a better trial is, and which trial is likely the
best.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from experiments.formatting import metric_text, share_text
from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import Origin, TrialState
from experiments.pages.sweep.summary import SweepSummary
from experiments.search.fields import listed
from experiments.search.likely_best import Likely
from experiments.search.wording import counted
from experiments.sweeps.requests import rerun_refusal
from experiments.sweeps.search_status import SearchStatus

# After the end: the chance that so many more would find a better one.
MORE = 20
# Chances up to these mean settled, and close to settled.
SETTLED, NEARLY = 0.1, 0.35


# By the origin of most of the newest trials.
TITLES: Mapping[str, str] = {
    Origin.GRID: "Going through the grid",
    Origin.SOBOL: "Spreading evenly",
    Origin.INITIAL_DESIGN: "Looking around",
    Origin.CENTRE: "Looking around",
    Origin.RANDOM: "Looking around",
    Origin.EXPLORATION: "Exploring",
    Origin.MODEL: "Refining",
}
NOTHING_KNOWN = SearchStatus()


@dataclass(frozen=True)
class SearchTile:
    title: str
    text: str
    chance: str = ""
    chance_of: str = ""


def search_tile(summary: SweepSummary, now: SearchStatus = NOTHING_KNOWN) -> SearchTile:
    """What the search is doing, as far as the sampler can know."""
    sampler = sampler_of(summary.sweep)
    if summary.sweep.state == SweepState.DRAFT:
        return SearchTile("Not started", "No trial yet.")
    if not summary.sweep.has_ended and 0 < summary.to_come <= summary.requested:
        return _requests_tile(summary)
    if sampler in _TILES:
        return _TILES[sampler](summary)
    return _other_tile(summary, now)


def _requests_tile(summary: SweepSummary) -> SearchTile:
    """The sampler has no more trials to choose, whichever it is."""
    left = counted(summary.to_come, "requested trial")
    return SearchTile(
        f"Running {left}", f"The search itself has ended. {_since_best(summary)}"
    )


def sampler_of(sweep: Sweep) -> str:
    settings = sweep.definition.get("sampling_algorithm", {})
    return str(settings.get("type", "random"))


def _grid_tile(summary: SweepSummary) -> SearchTile:
    """A grid that is too large is not counted."""
    whole, over = summary.combinations, summary.sweep.has_ended
    tried, ends_early = counted(summary.ended, "combination"), not over
    done = summary.sweep.exhausted
    if whole is not None:
        tried = f"{summary.ended:,} of {counted(whole, 'combination')}"
        done, ends_early = summary.ended >= whole, whole > summary.planned
    title = "All tried" if done else "Not all tried"
    budget = f" The budget ends at {summary.planned:,}." if ends_early else ""
    return SearchTile(
        title if over else "Going through the grid",
        f"{tried} tried.{budget} {_since_best(summary)}".strip(),
    )


def _random_tile(summary: SweepSummary) -> SearchTile:
    since, best = _since_best(summary), summary.best
    if best is None:
        return SearchTile(
            "Ended" if summary.sweep.has_ended else "Exploring at random", since
        )
    whole = summary.combinations
    if whole is not None and summary.tried >= whole:
        return SearchTile("Settled", f"Every one of {whole:,} combinations was tried.")
    over = summary.sweep.has_ended
    more = MORE if over else summary.to_come - summary.requested
    if whole is not None:
        more = min(more, whole - summary.ended)
    chance = chance_to_improve(summary.ranked, more)
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
        return f"Chance that {more} more trials beat trial {best}:"
    if more == 1:
        return "Chance that the last trial beats it:"
    return f"Chance that one of the next {more:,} beats it:"


def _other_tile(summary: SweepSummary, now: SearchStatus) -> SearchTile:
    """For samplers that say themselves what they do."""
    since = _since_best(summary)
    if summary.sweep.has_ended:
        return SearchTile("Search ended", since)
    title = TITLES.get(now.origin, "Searching")
    return SearchTile(title, f"{now.words} {since if summary.ended else ''}".strip())


_TILES: Mapping[str, Callable[[SweepSummary], SearchTile]] = {
    "random": _random_tile,
    "grid": _grid_tile,
}


def chance_to_improve(ranked: int, more: int) -> float:
    """The chance that the best of ``more`` new draws beats all of ``ranked`` old ones.

    Draws from one distribution are exchangeable: each is as likely to be the best, so
    the best is a new one with N / (n + N), also without replacement; with ties it is
    an upper bound.
    """
    return more / (ranked + more) if ranked + more else 0.0


def _settled(chance: float) -> str:
    if chance <= SETTLED:
        return "Settled"
    return "Nearly settled" if chance <= NEARLY else "Not settled yet"


def _since_best(summary: SweepSummary) -> str:
    best, since = summary.best, summary.since_best
    if best is None:
        return f"{counted(summary.ended, 'trial')} ended, none with a value."
    if not since:
        return f"No trial has ended since trial {best.number}, the best."
    return f"{counted(since, 'trial')} ended since trial {best.number}, none better."


# How many configurations can be run again.
TOP = 3
SAME_RANDOM_NUMBERS = (
    "Repeats that are the same to the last digit do not show how much results vary by"
    " chance: seed the script's random numbers differently in each trial, such as with"
    " SWEEPSITE_TRIAL_ID."
)


@dataclass(frozen=True)
class LikelyStrip:
    """``expected`` is the value that the model expects of ``trial``; empty if it was
    repeated, as the mean of its values counts then. ``again`` are the
    trials that the button runs again, if they can and the viewer may; ``refusal`` says
    why they cannot."""

    trial: Trial
    sentence: str
    expected: str
    again: Sequence[int] = ()
    refusal: str = ""

    @property
    def again_text(self) -> str:
        return ",".join(str(number) for number in self.again)

    @property
    def again_words(self) -> str:
        """``Run trials 3, 8 and 12 again``: they need not be the first by value."""
        trials = "trial" if len(self.again) == 1 else "trials"
        return f"Run {trials} {listed(self.again)} again"


def likely_strip(
    sweep: Sweep, likely: Sequence[Likely], best: Trial | None, *, steers: bool
) -> LikelyStrip | None:
    """None where the model does not know which trial is likely the best."""
    if not likely or best is None:
        return None
    trial = sweep.trials.filter(number=likely[0].numbers[0]).first()
    if trial is None:
        return None
    top = [one.numbers[0] for one in likely[:TOP]]
    refusal = rerun_refusal(sweep, top) if steers else ""
    can = steers and not refusal
    return LikelyStrip(
        trial=trial,
        sentence=likely_sentence(sweep, likely[0], best),
        expected=_expected(sweep, likely[0]),
        again=top if can else (),
        refusal="" if sweep.has_ended else refusal,
    )


def _expected(sweep: Sweep, likely: Likely) -> str:
    if likely.repeats > 1:
        return ""
    return metric_text(sweep.objective.value(likely.loss))


def likely_sentence(sweep: Sweep, likely: Likely, best: Trial) -> str:
    """How the likely best compares with the trial that logged the best value."""
    logged = f"Trial {best.number} logged the best value, {metric_text(best.value)}"
    mean = metric_text(sweep.objective.value(likely.mean_loss))
    times = f"run {counted(likely.repeats, 'time')}, {mean} on average"
    if best.number in likely.numbers:
        if likely.are_identical:
            return f"{logged}, {likely.repeats} times. {SAME_RANDOM_NUMBERS}"
        if likely.repeats > 1:
            return f"{logged}, and its values hold up: {times}."
        return f"{logged}, and is likely the best: similar configurations do well."
    other = f"trial {likely.numbers[0]}"
    if best.state != TrialState.COMPLETED:
        return (
            f"{logged}, before it was {best.get_state_display()}; of the completed"
            f" trials {other} is likely the best."
        )
    if likely.repeats > 1:
        return f"{logged}, but the values of {other} are more likely the best: {times}."
    neighbors = "similar configurations do well"
    return f"{logged}, but {other} is more likely the best: {neighbors}."
