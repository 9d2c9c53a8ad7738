"""How one trial stands among the others of its sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Max, Q

from experiments.models import Sweep, Trial
from experiments.models.trials import TRIAL_RANKED, TrialState
from experiments.progress import usual_times


@dataclass(frozen=True)
class Field:
    """The field that a trial runs in.

    ``leaders``: the best trial and the next. ``rank`` of ``ranked``: the trial's place
    among the ended ones that have a value, itself included; None without a value.
    ``full_length``: reports of the longest completed trial; ``usual_time``: the median
    training time of completed trials, in seconds. ``alike``: how many other trials
    failed for the same reason.
    """

    leaders: Sequence[Trial]
    rank: int | None
    ranked: int
    full_length: int | None
    usual_time: float | None
    alike: int

    def is_best(self, trial: Trial) -> bool:
        return bool(self.leaders) and self.leaders[0].pk == trial.pk

    def rival_of(self, trial: Trial) -> Trial | None:
        """Whom to compare the trial with: the best, or the next for the best itself."""
        others = [leader for leader in self.leaders if leader.pk != trial.pk]
        return others[0] if others else None


NOBODY = Field((), None, 0, None, None, 0)


def field_of(trial: Trial) -> Field:
    """Three queries, however many trials the sweep has."""
    sweep = trial.sweep
    if sweep is None:
        return NOBODY
    counts = _counts(sweep, trial)
    has_value = trial.value is not None and trial.state != TrialState.FAILED
    return Field(
        leaders=list(
            sweep.trials.ranked(sweep.goal).select_related("current_attempt")[:2]
        ),
        rank=counts["ahead"] + 1 if has_value else None,
        ranked=counts["others"] + has_value,
        full_length=counts["full_length"],
        usual_time=usual_times([sweep.pk]).get(sweep.pk),
        alike=counts["alike"],
    )


def _counts(sweep: Sweep, trial: Trial) -> Mapping[str, int]:
    """Both numbers leave the trial itself out."""
    ranked = Q(state__in=TRIAL_RANKED, value__isnull=False)
    counts: Mapping[str, int] = sweep.trials.exclude(pk=trial.pk).aggregate(
        ahead=Count("pk", filter=ranked & _is_ahead(sweep, trial)),
        others=Count("pk", filter=ranked),
        full_length=Max("reports", filter=Q(state=TrialState.COMPLETED)),
        alike=Count("pk", filter=Q(state=TrialState.FAILED, reason=trial.reason)),
    )
    return counts


def _is_ahead(sweep: Sweep, trial: Trial) -> Q:
    if trial.value is None:
        return Q()
    better = "value__gt" if sweep.goal == "maximize" else "value__lt"
    tied_before = Q(value=trial.value, number__lt=trial.number)
    return Q(**{better: trial.value}) | tied_before
