"""The likely best beside the best logged value, and a way to make sure of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.further_trials import rerun_refusal
from experiments.models import Sweep, Trial
from experiments.models.trials import TrialState
from experiments.search.figures import counted
from experiments.search.likely_best import Likely
from experiments.search.problems import listed
from experiments.words import metric_text

# So many configurations are offered to be run again.
TOP = 3


@dataclass(frozen=True)
class LikelyStrip:
    """`expected` is the value that the likeliest has after the model, in words.

    `again` are the numbers of the trials that the button runs once more; none where
    they cannot run, or where the viewer may not do that. `refusal` says why not.
    """

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
        """``Trials 3, 8 and 12 once more each, with the same values``."""
        return f"Trials {listed(self.again)} once more each, with the same values"


def likely_strip(
    sweep: Sweep, likely: Sequence[Likely], best: Trial | None, *, steers: bool
) -> LikelyStrip | None:
    """None where no trial is likelier than others to be the best, for all we know."""
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
        expected=metric_text(sweep.objective.value(likely[0].loss)),
        again=top if can else (),
        refusal="" if sweep.has_ended else refusal,
    )


def likely_sentence(sweep: Sweep, likely: Likely, best: Trial) -> str:
    """How the likeliest stands to the trial that logged the best value."""
    logged = f"Trial {best.number} logged the best value, {metric_text(best.value)}"
    mean = metric_text(sweep.objective.value(likely.mean_loss))
    times = f"run {counted(likely.repeats, 'time')}, {mean} on average"
    if best.number in likely.numbers:
        if likely.repeats > 1:
            return f"{logged}, and its values hold up: {times}."
        return f"{logged}, and is the likeliest to be best: its neighbours do well."
    other = f"trial {likely.numbers[0]}"
    if best.state != TrialState.COMPLETED:
        return (
            f"{logged}, before it was {best.get_state_display()}; of those that ran to"
            f" their end {other} is the likeliest to be best."
        )
    if likely.repeats > 1:
        return f"{logged}, but the values of {other} are likelier to be best: {times}."
    return f"{logged}, but {other} is likelier to be best: its neighbours do well."
