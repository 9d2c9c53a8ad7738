"""What the form's sweep should take and cost, with the basis of each figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from experiments.formatting import duration_text, rough_duration_text, share_text
from experiments.lru_cache import LruCache
from experiments.pages.builder.context import FormContext
from experiments.pages.builder.form import SweepForm
from experiments.pages.simulator.form import entered_of
from experiments.scheduling.occupancy import PoolSlots
from experiments.search.document.definition import SweepDefinition
from experiments.search.estimates import (
    Estimate,
    Spread,
    Workload,
    estimate,
    room_words,
)
from experiments.search.fields import DefinitionError
from experiments.search.simulation import Evaluation, Figures
from experiments.search.termination import Policy, make_policy
from experiments.search.wording import counted
from experiments.sweeps.earlier import EarlierSweeps, earlier_sweeps
from experiments.tracking.policy_simulations import Question, ask, read
from experiments.tracking.recordings import mark_of

# After this many seconds without a request of a form, a simulation is dropped.
KEEP = 6.0
MAX_FIGURES = 300
HOUR = 3600.0

_figures: LruCache[str, Figures] = LruCache(MAX_FIGURES)


@dataclass(frozen=True)
class PolicySavings:
    """What the policy would have saved on an earlier sweep. `figures` is None until the
    simulation `is_pending` no more."""

    address: str
    figures: Figures | None = None
    is_pending: bool = False

    @property
    def words(self) -> str:
        found = self.figures
        if found is None:
            return ""
        kept = "the best trial kept"
        if found.rank != 1:
            kept = f"the best trial ended early, number {found.rank} kept"
        return f"{share_text(found.saved)} saved, {kept}."


@dataclass(frozen=True)
class Forecast:
    """The estimate of a form's sweep."""

    form: SweepForm
    context: FormContext
    work: Workload | None
    pool: PoolSlots | None
    earlier: EarlierSweeps | None
    policy: Policy | None
    savings: PolicySavings | None

    @cached_property
    def estimate(self) -> Estimate | None:
        if self.work is None or self.earlier is None:
            return None
        total = self.pool.total // self.work.slots if self.pool else 0
        times = self.earlier.times
        return estimate(self.work, times, saved=self.saved, capacity=total)

    @property
    def saved(self) -> float:
        figures = self.savings.figures if self.savings else None
        return figures.saved if figures else 0.0

    @property
    def is_pending(self) -> bool:
        return self.savings is not None and self.savings.is_pending

    @property
    def duration(self) -> str:
        if self.estimate is None:
            return "unknown"
        return f"about {rough_duration_text(self.estimate.duration.likely)}"

    @property
    def compute(self) -> str:
        found = self.estimate
        return slot_time_text(found.compute.likely) if found else "unknown"

    @property
    def title(self) -> str:
        if self.estimate is not None:
            return f"{self.duration}, {self.compute}".capitalize()
        first = tests_first(self.form)
        return "Unknown; tests one configuration first" if first else "Unknown"

    @property
    def basis(self) -> str:
        """For the sticky bar."""
        if self.earlier is None:
            return "No earlier trial has completed."
        trials = counted(len(self.earlier.times.seconds), "trial")
        less = f", less {share_text(self.saved)} for early termination"
        return f"From {trials} of {self.earlier.name}{less if self.saved else ''}."

    @property
    def usual(self) -> str:
        """Whether the time limit of a trial leaves room."""
        if self.earlier is None:
            return ""
        usual = self.earlier.times.usual
        limit = self.work.trial_timeout if self.work else None
        text = self.form.text("trial_timeout").strip()
        room = room_words(usual, limit, limit_text=text)
        took = duration_text(usual)
        return f"The median trial of {self.earlier.name} took {took}{room}."

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Each basis in words, and what it adds."""
        return [*self._trial_rows(), *self._test_row(), *self._pool_rows()]

    def _trial_rows(self) -> Iterator[tuple[str, str]]:
        earlier, found = self.earlier, self.estimate
        if earlier is None:
            yield "a full trial, as no earlier one has completed", "unknown"
            return
        trials = counted(len(earlier.times.seconds), "trial")
        words = f"a full trial, from {trials} of {earlier.name}"
        yield words, duration_text(earlier.times.usual)
        if earlier.change:
            yield earlier.change, "wider range"
        elif earlier.times.is_wide:
            yield "few trials to judge from", "wider range"
        if self.savings and self.savings.figures:
            what = f"early termination, simulated on {earlier.latest}"
            yield what, f"\u2212{share_text(self.saved)}"
        elif self.policy is not None:
            yield "early termination", "not counted"
        if found is not None and self.work is not None:
            words = f"{counted(self.work.trials, 'trial')}, {found.at_once} at a time"
            yield words, counted(-(-self.work.trials // found.at_once), "round")

    def _test_row(self) -> Iterator[tuple[str, str]]:
        if tests_first(self.form):
            first = self.estimate.first if self.estimate else None
            added = "unknown" if first is None else f"+ {rough_duration_text(first)}"
            yield "tests one configuration first", added

    def _pool_rows(self) -> Iterator[tuple[str, str]]:
        pool, found = self.pool, self.estimate
        if pool is None:
            return
        yield _queue_row(pool)
        name = pool.pool.name
        price = pool.pool.price_per_hour
        if price is not None and found is not None:
            cost = float(price) * found.compute.likely / HOUR
            yield (
                f"price of pool {name}, {price.normalize():,f} an hour",
                f"about {cost:,.2f}",
            )
        if found is not None and found.is_cut:
            limit = self.form.text("timeout").strip()
            yield "the limit of the whole sweep may end it", limit

    @cached_property
    def picture(self) -> Mapping[str, str]:
        """Places on a scale from 0, in percent, and its labels."""
        found = self.estimate
        return _scale(found.duration) if found else {}


def _queue_row(pool: PoolSlots) -> tuple[str, str]:
    """How many slots are free, and when the first trial starts."""
    name = pool.pool.name
    if not pool.total:
        return f"pool {name} has no worker now", "starts with the first one"
    words = f"{pool.total - pool.busy} of {counted(pool.total, 'slot')} free"
    if pool.waiting:
        words += f", {counted(pool.waiting, 'trial')} waiting"
    when = "when a slot is free" if pool.busy >= pool.total else "at once"
    if pool.waiting:
        when = "in turn with them"
    return f"queue of pool {name}, {words}", f"starts {when}"


def slot_time_text(seconds: float) -> str:
    """``36 slot-minutes``: seconds on one slot."""
    if seconds < 90:
        return counted(max(1, round(seconds)), "slot-second")
    if seconds < 120 * 60:
        return counted(round(seconds / 60), "slot-minute")
    return counted(round(seconds / HOUR), "slot-hour")


def _scale(spread: Spread) -> Mapping[str, str]:
    end = spread.high * 1.25 or 1.0

    def place(seconds: float) -> str:
        return f"{100 * seconds / end:.1f}%"

    return {
        "left": place(spread.low),
        "width": place(spread.high - spread.low),
        "likely": place(spread.likely),
        "range": f"likely {rough_duration_text(spread.low)} to"
        f" {rough_duration_text(spread.high)}",
        "middle": rough_duration_text(end / 2),
        "end": rough_duration_text(end),
    }


def forecast_of(
    form: SweepForm, context: FormContext, *, simulates: bool = False
) -> Forecast:
    """The estimate. It waits for a simulation only if it `simulates`; otherwise it has
    what was simulated before."""
    name, compute = form.text("compute").strip(), context.slots.pools
    pool = next((each for each in compute if each.pool.name == name), None)
    earlier = earlier_sweeps(
        context.team,
        form.text("experiment_name").strip(),
        document=form.document,
        code=form.findings.kept,
        source=context.source,
    )
    policy = _policy(form, earlier)
    savings = None
    if earlier is not None and policy is not None:
        savings = _savings(earlier, policy, simulates=simulates)
    return Forecast(
        form, context, _workload(form, pool), pool, earlier, policy, savings
    )


def _workload(form: SweepForm, pool: PoolSlots | None) -> Workload | None:
    definition = form.definition
    if definition is None:
        return None
    limits, gpus = definition.limits, definition.resources.gpus
    return Workload(
        trials=will_run(definition),
        at_once=limits.max_concurrent_trials,
        slots=pool.pool.slots_for(gpus) if pool and gpus else 1,
        timeout=limits.timeout,
        trial_timeout=limits.trial_timeout,
        tests_first=tests_first(form),
    )


def tests_first(form: SweepForm) -> bool:
    """Whether one configuration is tested before all others, as in a new form."""
    return "form_token" not in form.data or "try_first" in form.data


def will_run(definition: SweepDefinition) -> int:
    """The number of trials; a grid ends with its last combination."""
    limit = definition.limits.max_total_trials
    count = definition.search_space.count()
    is_grid = definition.sampling_algorithm["type"] == "grid"
    return min(limit, count) if is_grid and count is not None else limit


def _policy(form: SweepForm, earlier: EarlierSweeps | None) -> Policy | None:
    """The form's policy, if the earlier sweep has the same metric and goal."""
    settings: Any = form.document.get("early_termination")
    if earlier is None or settings is None:
        return None
    objective = earlier.latest.objective
    metric = form.text("primary_metric").strip()
    if (metric, form.text("goal")) != (objective.primary_metric, objective.goal):
        return None
    try:
        return make_policy(settings, objective)
    except DefinitionError:
        return None


def _savings(
    earlier: EarlierSweeps, policy: Policy, *, simulates: bool
) -> PolicySavings:
    sweep, settings = earlier.latest, policy.settings()
    query = urlencode(entered_of(settings).query)
    address = f"{reverse('simulator', args=(sweep.pk,))}?{query}"
    mark = mark_of(sweep)
    question = Question.of(sweep, mark, [settings])
    key = question.key(*question.policies)
    found = _figures.get(key)
    if found is not None or not mark.reports:
        return PolicySavings(address, found)
    if not simulates:
        return PolicySavings(address, is_pending=True)
    recording, result = read(sweep, mark, keep=KEEP)
    if recording is not None:
        result = ask(sweep, question, keep=KEEP)
    if recording is None or not result.complete:
        return PolicySavings(address, is_pending=not result.problem and not result.busy)
    found = Evaluation(recording).figures(result.answers[0])  # type: ignore[arg-type]
    _figures.put(key, found)
    return PolicySavings(address, found)
