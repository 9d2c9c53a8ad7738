"""The earlier sweeps of an experiment that say how long a new one takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.db.models import Q

from experiments.models import CodeSnapshot, Sweep, Team, Trial
from experiments.models.trials import TrialState
from experiments.search.estimates import TrialTimes
from experiments.tracking.training_time import trained

# The newest trials count.
MAX_TRIALS = 200


@dataclass(frozen=True)
class EarlierSweeps:
    """Completed trials of earlier sweeps, and the `latest` of these sweeps. `change`
    says in words what is new since then."""

    latest: Sweep
    sweeps: int
    times: TrialTimes
    change: str = ""

    @property
    def name(self) -> str:
        """Of what the trials are."""
        return str(self.latest if self.sweeps == 1 else self.latest.experiment.name)


def earlier_sweeps(
    team: Team,
    experiment: str,
    *,
    document: Mapping[str, Any],
    code: CodeSnapshot | None = None,
    source: Sweep | None = None,
) -> EarlierSweeps | None:
    """Of the copied sweep, or else of the experiment; None if no trial has completed.

    In two queries, or three if the copied sweep has no completed trial.
    """
    name = experiment.replace("\0", "")
    rows = _completed(Q(sweep=source)) if source is not None else []
    rows = rows or _completed(Q(experiment__team=team, experiment__name=name))
    if not rows:
        return None
    ids = {row[0] for row in rows}
    latest = Sweep.objects.select_related("experiment", "code").get(pk=max(ids))
    change = _change(latest, document, code)
    seconds = [row[1] for row in rows]
    reports = median(row[2] for row in rows)
    times = TrialTimes(seconds, float(reports), changed=bool(change))
    return EarlierSweeps(latest, len(ids), times, change)


def _completed(wanted: Q) -> list[tuple[int, float, int]]:
    """Sweep, seconds and reports of the newest completed trials."""
    trials = Trial.objects.kept().own().filter(wanted, state=TrialState.COMPLETED)
    timed = trials.exclude(sweep=None).annotate(took=trained()).filter(took__gte=0)
    newest = timed.order_by("-pk").values_list("sweep", "took", "reports")
    return list(newest[:MAX_TRIALS])


def _change(
    sweep: Sweep, document: Mapping[str, Any], code: CodeSnapshot | None
) -> str:
    before, now = (
        each.get("trial", {}).get("code") for each in (sweep.definition, document)
    )
    if code is not None and sweep.code is not None:
        before, now = sweep.code.digest, code.digest
    if before != now:
        return "the code has changed since"
    if sweep.definition.get("inputs", {}) != document.get("inputs", {}):
        return "the inputs have changed since"
    return ""
