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
    """Completed trials of earlier sweeps, and the `latest` of these sweeps, or the one
    that is copied. `change` says in words what is new since then."""

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
    """Of the experiment and the copied sweep, in two queries; None if no trial of them
    has completed."""
    wanted = Q(experiment__team=team, experiment__name=experiment.replace("\0", ""))
    if source is not None:
        wanted |= Q(sweep=source)
    trials = Trial.objects.kept().own().filter(wanted, state=TrialState.COMPLETED)
    timed = trials.exclude(sweep=None).annotate(took=trained()).filter(took__gte=0)
    rows = list(
        timed.order_by("-pk").values_list("sweep", "took", "reports")[:MAX_TRIALS]
    )
    if not rows:
        return None
    ids = {row[0] for row in rows}
    chosen = source.pk if source is not None and source.pk in ids else max(ids)
    latest = Sweep.objects.select_related("experiment", "code").get(pk=chosen)
    change = _change(latest, document, code)
    seconds = [row[1] for row in rows]
    reports = median(row[2] for row in rows)
    times = TrialTimes(seconds, float(reports), changed=bool(change))
    return EarlierSweeps(latest, len(ids), times, change)


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
