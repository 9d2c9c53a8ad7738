"""Warnings about a sweep that is valid: its slack factor, the GPUs of its pool, and
results of its trials that are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F, QuerySet

from experiments.models import Attempt, Pool, Sweep, Trial, Worker
from experiments.models.missing import MissingData, RefusedName, merge, sentences
from experiments.models.trials import TrialState
from experiments.search.fields import DefinitionError, Problem
from experiments.search.records import Objective
from experiments.search.termination import (
    BanditPolicy,
    Policy,
    make_policy,
    slack_warning,
)
from experiments.search.termination.combination import Combination
from experiments.search.wording import counted

# The newest values show how large the metric is.
MAX_VALUES = 1000


def slack_warnings(
    settings: object, objective: Objective, trials: QuerySet[Trial]
) -> list[Problem]:
    """Whether a policy's slack factor suits the values in `trials` of the same metric
    and goal. One query if the policy has a slack factor, else none."""
    bandit, path = _bandit(settings, objective)
    if bandit is None:
        return []
    values = (
        trials.filter(
            sweep__primary_metric=objective.primary_metric,
            sweep__goal=objective.goal,
            value__isnull=False,
        )
        .exclude(state=TrialState.FAILED)
        .order_by("-pk")
        .values_list("value", flat=True)[:MAX_VALUES]
    )
    warning = slack_warning(bandit, [value for value in values if value is not None])
    return [Problem(path, warning)] if warning else []


def own_slack_warning(sweep: Sweep) -> str:
    """A warning about the sweep's slack factor by its own values; empty for none."""
    if not sweep.early_termination:
        return ""
    own = sweep.trials.all()
    found = slack_warnings(sweep.early_termination, sweep.objective, own)
    return found[0].message if found else ""


def _bandit(settings: object, objective: Objective) -> tuple[BanditPolicy | None, str]:
    """The first bandit with a slack factor, and its field."""
    if not isinstance(settings, dict):
        return None, ""
    try:
        policy = make_policy(settings, objective)
    except DefinitionError:
        return None, ""
    for each in _inside(policy):
        if isinstance(each, BanditPolicy) and each.slack_factor > 0:
            name = "slack_factor" if each is policy else "policies"
            return each, f"early_termination.{name}"
    return None, ""


def _inside(policy: Policy | None) -> Iterator[Policy]:
    if policy is not None:
        yield policy
    if isinstance(policy, Combination):
        for each in policy.policies:
            yield from _inside(each)


# How many trials with missing results are read.
MAX_INCOMPLETE = 500


@dataclass(frozen=True)
class MissingResults:
    """What a sweep's trials reported and the site does not have.

    ``trials``: their ids by number; ``lost``: how many of them have losses, such as on
    a full disk; ``refused``: points that were refused, by name, most points
    first, and those of further names last.
    """

    trials: Mapping[int, int]
    lost: int
    refused: Sequence[RefusedName]

    @property
    def first(self) -> list[tuple[int, int]]:
        """Number and id of some of them, for links."""
        return list(self.trials.items())[:3]

    def __str__(self) -> str:
        trials = counted(len(self.trials), "trial")
        text = f"Results of {trials} are not complete"
        if not self.refused:
            return f"{text}: reports or output were lost"
        first, *more = sentences(self.refused)
        return f"{text}: {first}{'; and more' if more else ''}"


def missing_results(sweep: Sweep) -> MissingResults | None:
    """None: all that its trials reported is stored. One query."""
    incomplete = Attempt.objects.filter(
        missing__isnull=False, trial__sweep=sweep, trial__current_attempt=F("pk")
    )
    rows = list(
        incomplete.order_by("trial__number").values_list(
            "trial__number", "trial", "missing"
        )[:MAX_INCOMPLETE]
    )
    if not rows:
        return None
    found = [MissingData.of(stored) for *_, stored in rows]
    refused = merge(each for data in found for each in data.names())
    return MissingResults(
        trials={number: pk for number, pk, _ in rows},
        lost=sum(bool(data.lost) for data in found),
        refused=sorted(refused, key=lambda each: (each.is_rest, -each.points)),
    )


FIELD = "resources.gpus"


def gpu_warnings(pool: Pool | None, gpus: object) -> list[Problem]:
    """A warning if no live worker has enough GPUs. It is not an error: hosts may start
    after the sweep."""
    if pool is None or type(gpus) is not int or gpus < 1:
        return []
    hosts = list(Worker.objects.alive().filter(pool=pool).order_by("name"))
    if any(host.slots_for(gpus) is not None for host in hosts):
        return []
    best = max(hosts, key=lambda host: len(host.gpus), default=None)
    if best is None:
        there = f"no worker of pool {pool.name} runs"
    else:
        there = f"in pool {pool.name}, host {best.name} has the most: {len(best.gpus)}"
    text = f"Each trial needs {counted(gpus, 'GPU')} on one host, but {there}."
    return [Problem(FIELD, f"{text} Its trials wait until a host has them.")]
