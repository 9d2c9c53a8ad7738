"""Whatever people, schedulers and workers do to a sweep, in whatever order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from experiments import lifecycle
from experiments.models import Attempt, Sweep, Trial, Worker
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import TRIAL_ENDS, TRIAL_LIVE, AttemptState
from experiments.scheduling import recovery, rounds
from experiments.scheduling.recovery import Silence
from experiments.search.fields import DefinitionError
from experiments.sweeps import control, editing
from experiments.tracking import history
from tests import factories

pytestmark = pytest.mark.django_db

LIVE = (AttemptState.QUEUED, AttemptState.RUNNING)
PICK = st.integers(0, 9)
COMMANDS = ("start", "finish", "requeue", "resume", "cancel", "extend")
WORK = ("claim", "beat", "report", "finish", "lose")
OUTCOMES = (
    {"cause": "exited", "exit_code": 0},
    {"cause": "exited", "exit_code": 1},
    {"cause": "stopped", "signal": 15},
    {"cause": "released"},
    {"cause": "trial_timeout", "message": "Its time was over."},
)
SPACES: tuple[dict[str, Any], ...] = (
    {"x": {"type": "uniform", "min_value": 0.0, "max_value": 1.0}},
    {"x": {"type": "uniform", "min_value": 0.5, "max_value": 1.0}},
    {"x": {"type": "choice", "values": [0.25, 0.5, 0.75]}},
)


@contextmanager
def nothing_stays() -> Iterator[None]:
    """A transaction that is taken back."""
    whole = transaction.atomic()
    # As Django's own tests do: a durable transaction may begin inside it.
    whole._from_testcase = True
    with whole:
        yield
        transaction.set_rollback(True)


class Life(RuleBasedStateMachine):
    """One sweep of six trials, two at a time, with one worker of two slots."""

    def __init__(self) -> None:
        super().__init__()
        history.forget_all()
        self.database = nothing_stays()
        self.database.__enter__()
        document = factories.definition_document(
            limits={"max_total_trials": 6, "max_concurrent_trials": 2}
        )
        self.sweep = factories.sweep(factories.team(), state="draft", document=document)
        self.worker: Worker = factories.worker(self.sweep.pool)
        self.ended: dict[int, tuple[str, str]] = {}
        self.sweep_end = ""

    @initialize(running=st.integers(0, 3))
    def begin(self, running: int) -> None:
        """A draft, or a sweep with so many trials, all but one of which run."""
        if running:
            lifecycle.start_sweep(self.sweep)
        for pick in range(running):
            self.advance()
            self.claim(pick)

    def teardown(self) -> None:
        self.database.__exit__(None, None, None)

    # Few rules with many forms: of many rules a run would leave out most.

    @rule(name=st.sampled_from(COMMANDS), more=st.integers(1, 3))
    def somebody_commands(self, name: str, more: int) -> None:
        match name:
            case "finish" | "requeue":
                self.pause(name)
            case "extend":
                self.extend(more)
            case _:
                getattr(self, name)()

    @rule(
        space=st.none() | st.sampled_from(SPACES),
        total=st.integers(3, 8),
        at_once=st.integers(1, 3),
    )
    def somebody_edits(
        self, space: dict[str, Any] | None, total: int, at_once: int
    ) -> None:
        if space is None:
            self.change_limits(total, at_once)
        else:
            self.change_space(space)

    @rule(
        name=st.sampled_from(WORK),
        pick=PICK,
        value=st.floats(0, 1),
        outcome=st.sampled_from(OUTCOMES),
    )
    def a_worker_works(
        self, name: str, pick: int, value: float, outcome: dict[str, Any]
    ) -> None:
        match name:
            case "report":
                self.report(pick, value)
            case "finish":
                self.finish(pick, outcome)
            case _:
                getattr(self, name)(pick)

    # --- what people do ---------------------------------------------------------

    def command(self, action: Any, leads_to: SweepState, sources: set[str]) -> None:
        """A command from one of these states leads there; from others nowhere."""
        self.sweep.refresh_from_db()
        before = self.sweep.state
        try:
            action()
        except control.NotPossible as error:
            assert before not in sources | {leads_to}, error
        self.sweep.refresh_from_db()
        allowed = before in sources | {leads_to}
        assert self.sweep.state == (leads_to if allowed else before)

    def start(self) -> None:
        # Asked of one that has been paused since, it is refused.
        step = lambda: control.steer(self.sweep, "start", actor=None)  # noqa: E731
        self.command(step, SweepState.RUNNING, {"draft"})

    def pause(self, running: Any) -> None:
        step = lambda: control.pause(self.sweep, actor=None, running=running)  # noqa: E731
        self.command(step, SweepState.PAUSED, {"running"})
        asked = Attempt.objects.filter(
            trial__sweep=self.sweep, state=AttemptState.RUNNING, stop_requested_at=None
        )
        if running == "requeue" and self.sweep.state == SweepState.PAUSED:
            assert not asked.filter(release_requested_at=None).exists()

    def resume(self) -> None:
        step = lambda: control.steer(self.sweep, "resume", actor=None)  # noqa: E731
        self.command(step, SweepState.RUNNING, {"paused"})

    def cancel(self) -> None:
        step = lambda: control.steer(self.sweep, "cancel", actor=None)  # noqa: E731
        self.command(step, SweepState.CANCELLED, {"draft", "running", "paused"})

    def extend(self, more: int) -> None:
        self.sweep.refresh_from_db()
        could = self.sweep.has_ended and not self.sweep.exhausted
        tried = self.sweep.trials.count()
        try:
            control.extend(self.sweep, more, actor=None)
        except control.NotPossible:
            assert not could
            return
        assert could and self.sweep.state == SweepState.RUNNING
        assert self.sweep.max_total_trials == tried + more
        self.sweep_end = ""

    def change_limits(self, total: int, at_once: int) -> None:
        limits = {"max_total_trials": total, "max_concurrent_trials": at_once}
        self.change({"limits": limits})

    def change_space(self, space: dict[str, Any]) -> None:
        self.change({"search_space": space})

    def change(self, changes: dict[str, Any]) -> None:
        self.sweep.refresh_from_db()
        params = dict(self.sweep.trials.values_list("pk", "params"))
        try:
            editing.change_sweep(self.sweep, changes, actor=None)
            assert not self.sweep.has_ended
        except DefinitionError:
            assert self.sweep.has_ended
        assert dict(self.sweep.trials.values_list("pk", "params")) == params

    # --- what schedulers do -------------------------------------------------------

    @rule()
    def advance(self) -> None:
        before = self.sweep.trials.count()
        rounds.advance_all()
        self.sweep.refresh_from_db()
        assert self.sweep.trials.count() <= max(before, self.sweep.max_total_trials)
        assert self.sweep.reason != "internal_error", self.sweep.message

    @rule()
    def make_good(self) -> None:
        recovery.recover(lambda: Silence.NONE)
        self.sweep.refresh_from_db()
        if self.sweep.has_ended:
            live = Attempt.objects.filter(trial__sweep=self.sweep, state__in=LIVE)
            assert not live.filter(stop_requested_at=None).exists()

    # --- what workers do ----------------------------------------------------------

    def attempt(self, pick: int, state: AttemptState) -> Attempt | None:
        found = Attempt.objects.filter(trial__sweep=self.sweep, state=state)
        attempts = list(found.order_by("pk"))
        return attempts[pick % len(attempts)] if attempts else None

    def claim(self, pick: int) -> None:
        attempt = self.attempt(pick, AttemptState.QUEUED)
        if attempt is None:
            return
        claim = lifecycle.claim_attempt(attempt.pk, worker=self.worker, slot=pick % 2)
        self.sweep.refresh_from_db()
        assert claim is None or self.sweep.state == SweepState.RUNNING

    def beat(self, pick: int) -> None:
        if attempt := self.attempt(pick, AttemptState.RUNNING):
            assert lifecycle.beat(attempt, pid=1, elapsed=1.0)
        if attempt := self.attempt(pick, AttemptState.FINISHED):
            assert not lifecycle.beat(attempt, pid=1, elapsed=1.0)

    def report(self, pick: int, value: float) -> None:
        if attempt := self.attempt(pick, AttemptState.RUNNING):
            trial = Trial.objects.select_related("current_attempt").get(
                pk=attempt.trial_id
            )
            factories.report(trial, [value], first_step=trial.reports)

    def finish(self, pick: int, outcome: dict[str, Any]) -> None:
        attempt = self.attempt(pick, AttemptState.RUNNING)
        if attempt is None:
            return
        assert lifecycle.finish_attempt(attempt, lifecycle.Outcome(**outcome))
        trial = Trial.objects.get(pk=attempt.trial_id)
        put_back = attempt.release_requested_at and outcome["cause"] == "stopped"
        self.sweep.refresh_from_db()
        if put_back and not trial.stop_reason and not self.sweep.has_ended:
            assert trial.state == "queued"
        assert not lifecycle.finish_attempt(attempt, lifecycle.Outcome("exited"))

    def lose(self, pick: int) -> None:
        if attempt := self.attempt(pick, AttemptState.RUNNING):
            factories.lose(attempt)

    # --- what always holds ----------------------------------------------------------

    @invariant()
    def what_has_ended_stays_as_it_ended(self) -> None:
        for trial in self.sweep.trials.filter(state__in=TRIAL_ENDS):
            end = (trial.state, trial.reason)
            assert self.ended.setdefault(trial.pk, end) == end
        assert self.sweep.trials.filter(pk__in=self.ended).exclude(
            state__in=TRIAL_LIVE
        ).count() == len(self.ended)

    @invariant()
    def an_ended_sweep_stays_ended_until_it_is_extended(self) -> None:
        state = Sweep.objects.values_list("state", flat=True).get(pk=self.sweep.pk)
        if self.sweep_end:
            assert state == self.sweep_end
        self.sweep_end = state if state in SWEEP_ENDS else ""

    @invariant()
    def a_live_trial_has_one_live_attempt_and_an_ended_one_none(self) -> None:
        for trial in self.sweep.trials.all():
            live = [a.pk for a in trial.attempts.filter(state__in=LIVE)]
            wanted = [trial.current_attempt_id] if trial.state in TRIAL_LIVE else []
            assert live == wanted

    @invariant()
    def numbers_have_no_gaps_and_versions_no_overlap(self) -> None:
        numbers = list(self.sweep.trials.order_by("number").values_list("number"))
        assert numbers == [(n,) for n in range(len(numbers))]
        sweep = Sweep.objects.get(pk=self.sweep.pk)
        until = list(sweep.space_versions.values_list("until", flat=True))
        assert until == sorted(until) and len(until) == sweep.space_version - 1


def live(
    examples: int, steps: int, phases: tuple[Phase, ...] = (Phase.generate,)
) -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_order_of_commands_keeps_a_sweep_in_order() -> None:
    live(examples=10, steps=20)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_orders_of_commands_keep_a_sweep_in_order() -> None:
    live(examples=150, steps=50, phases=tuple(Phase))
