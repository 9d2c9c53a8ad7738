"""Trials given out to processes that the site does not launch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from experiments import lifecycle
from experiments.lifecycle import AskClaim
from experiments.management.commands.scheduler import Rounds
from experiments.models import Attempt, Sweep, Trial
from experiments.scheduling import ask, recovery, rounds
from experiments.scheduling.recovery import Silence
from experiments.sweeps import requests
from experiments.sweeps.creation import sweep_document
from tests import factories

pytestmark = pytest.mark.django_db


def sweep(*, total: int = 4, at_once: int = 2, **changes: Any) -> Sweep:
    limits = {"max_total_trials": total, "max_concurrent_trials": at_once}
    document = factories.definition_document(
        trial=None, launches=False, limits=limits | changes.pop("limits", {}), **changes
    )
    return factories.sweep(factories.team(ada="member"), document=document)


def end(claim: AskClaim, *values: float, exit_code: int = 0) -> Trial:
    trial = claim.attempt.trial
    trial.refresh_from_db()
    if values:
        factories.report(trial, values)
    outcome = lifecycle.Outcome(cause="exited", exit_code=exit_code)
    lifecycle.finish_attempt(claim.attempt, outcome)
    trial.refresh_from_db()
    return trial


def refused(made: Sweep, **options: Any) -> str:
    with pytest.raises(ask.NothingToRun) as refusal:
        ask.ask(made, **options)
    assert len(str(refusal.value)) > 20
    return refusal.value.code


def quiet(seconds: float) -> None:
    """No heartbeat came for so long."""
    past = timedelta(seconds=seconds)
    Attempt.objects.update(
        heartbeat_at=F("heartbeat_at") - past, claimed_at=F("claimed_at") - past
    )
    Trial.objects.update(updated_at=Now() - past)


def test_a_whole_sweep_from_the_first_ask_to_the_end() -> None:
    made = sweep()
    assert (made.launches, sweep_document(made)["launches"]) == (False, False)
    numbers = []
    for k in range(4):
        claim = ask.ask(made)
        trial = claim.attempt.trial
        assert (trial.state, claim.attempt.worker) == ("running", None)
        numbers.append(trial.number)
        assert end(claim, k / 10).state == "completed"
    assert numbers == [0, 1, 2, 3]
    assert refused(made) == "budget_spent"
    rounds.advance_all()
    made.refresh_from_db()
    assert (made.state, made.reason) == ("completed", "max_total_trials")
    assert refused(made) == "budget_spent"


def test_the_choices_are_those_of_a_sweep_that_is_launched() -> None:
    made = sweep(at_once=4)
    launched = factories.sweep(
        factories.team(), document=factories.definition_document()
    )
    factories.worker(launched.pool, slots=4)
    rounds.advance_all()
    given = [ask.ask(made).attempt.trial.params for _ in range(2)]
    assert given == [t.params for t in launched.trials.order_by("number")][:2]


def test_the_scheduler_places_none_of_its_trials() -> None:
    made = sweep()
    factories.worker(made.pool, slots=4)
    rounds.advance_all()
    assert not made.trials.exists()


def test_no_more_run_at_a_time_than_the_limit_says() -> None:
    made = sweep(at_once=2)
    first = ask.ask(made)
    ask.ask(made)
    assert refused(made) == "too_many_running"
    end(first, 0.5)
    assert ask.ask(made).attempt.trial.number == 2


@pytest.mark.parametrize("state", ["draft", "paused", "cancelled", "failed"])
def test_only_running_sweeps_give_out_trials(state: str) -> None:
    made = sweep()
    Sweep.objects.filter(pk=made.pk).update(state=state)
    assert refused(made) == "not_running"
    assert not made.trials.exists()


def test_a_space_that_is_used_up() -> None:
    made = sweep(
        total=9,
        at_once=9,
        search_space={"x": {"type": "choice", "values": [1, 2]}},
        sampling_algorithm="grid",
    )
    claims = [ask.ask(made) for _ in range(2)]
    assert refused(made) == "exhausted"
    for claim in claims:
        end(claim, 0.5)
    rounds.advance_all()
    made.refresh_from_db()
    assert (made.state, made.reason) == ("completed", "exhausted")
    assert refused(made) == "exhausted"


def test_a_client_that_asks_again_gets_the_same_trial_and_token() -> None:
    made = sweep(at_once=4)
    first = ask.ask(made, client="host-1")
    again = ask.ask(made, client="host-1")
    other = ask.ask(made, client="host-2")
    nameless = ask.ask(made)
    assert again == first and again.token == first.token
    assert {c.attempt.trial.number for c in (first, other, nameless)} == {0, 1, 2}
    assert len({c.token.secret for c in (first, other, nameless)}) == 3
    end(first, 0.5)
    assert ask.ask(made, client="host-1").attempt.trial.number == 3


def test_a_client_gets_its_trial_again_when_nothing_else_is_left() -> None:
    made = sweep(total=1)
    first = ask.ask(made, client="host-1")
    lifecycle.pause_sweep(made)
    assert ask.ask(made, client="host-1") == first
    assert refused(made, client="host-2") == "not_running"


def test_the_policy_judges_and_the_trial_is_ended_early() -> None:
    made = sweep(early_termination={"type": "bandit", "slack_amount": 0.1})
    end(ask.ask(made), 0.9, 0.9)
    claim = ask.ask(made)
    reply = factories.report(claim.attempt.trial, [0.2])
    assert reply.stop and "0.2" in reply.reason
    trial = end(claim)
    assert (trial.state, trial.reason) == ("terminated", "policy")


def test_a_launched_sweep_gives_out_trials_of_the_same_budget() -> None:
    made = factories.sweep(factories.team(), document=factories.definition_document())
    factories.worker(made.pool, slots=1)
    rounds.advance_all()
    claim = ask.ask(made)
    assert (claim.attempt.trial.number, made.trials.count()) == (1, 2)
    assert refused(made) == "too_many_running"
    queued = made.trials.get(number=0)
    assert queued.state == "queued", "a worker's trial is not given to others"


def test_requests_are_given_out_first() -> None:
    made = sweep(total=1, at_once=3)
    requests.add_trial(made, {"x": 0.25}, actor=None)
    claim = ask.ask(made)
    assert (claim.attempt.trial.params, claim.attempt.trial.origin_text) == (
        {"x": 0.25},
        "added by hand",
    )
    assert ask.ask(made).attempt.trial.origin == "random"
    assert refused(made) == "budget_spent"


# --- what waits -----------------------------------------------------------------------


def given_back(made: Sweep, count: int) -> None:
    """So many trials of the sweep were given out, lost, and wait."""
    for claim in [ask.ask(made) for _ in range(count)]:
        factories.lose(claim.attempt)


def before_the_claim(
    monkeypatch: pytest.MonkeyPatch, step: Callable[[], object]
) -> None:
    """Do it once somebody has chosen one that waits, and not taken it yet."""
    claim_queued_trial, done = lifecycle.claim_queued_trial, []

    def late(*args: Any, **options: Any) -> Any:
        if not done:
            done.append(True)
            step()
        return claim_queued_trial(*args, **options)

    monkeypatch.setattr(lifecycle, "claim_queued_trial", late)


def test_one_client_has_one_of_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    made = sweep(total=2)
    given_back(made, 2)
    first: list[AskClaim] = []
    same = Sweep.objects.get(pk=made.pk)
    before_the_claim(monkeypatch, lambda: first.append(ask.ask(same, client="host-1")))
    assert ask.ask(made, client="host-1") == first[0]
    assert made.trials.filter(state="running").count() == 1


def test_what_waits_is_not_given_out_once_its_sweep_is_paused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = sweep(total=1)
    given_back(made, 1)
    same = Sweep.objects.get(pk=made.pk)
    before_the_claim(monkeypatch, lambda: lifecycle.pause_sweep(same))
    assert refused(made) == "not_running"
    assert made.trials.get().state == "queued"


def test_what_waits_is_given_out_within_the_limit_only() -> None:
    made = sweep(total=2, at_once=2)
    given_back(made, 2)
    Sweep.objects.filter(pk=made.pk).update(max_concurrent_trials=1)
    first = ask.ask(made)
    assert refused(made) == "too_many_running"
    end(first, 0.5)
    assert ask.ask(made).attempt.trial.number == 1


# --- silence -------------------------------------------------------------------------


def test_a_lease_of_silence_is_no_death() -> None:
    made = sweep()
    claim = ask.ask(made)
    quiet(3600)
    recovery.recover(lambda: Silence.ALL)
    claim.attempt.refresh_from_db()
    assert claim.attempt.state == "running"


@pytest.mark.parametrize("limits", [{"trial_timeout": 600}, {}])
def test_who_is_silent_too_long_loses_the_trial_and_another_gets_it(
    limits: dict[str, Any],
) -> None:
    made = sweep(limits=limits)
    claim = ask.ask(made, client="host-1")
    quiet(86_400 + 60)
    recovery.lose_silent_asks(lambda: Silence.ALL)
    trial = Trial.objects.get(pk=claim.attempt.trial_id)
    assert trial.state == "queued"
    lost = trial.attempts.get(n=1)
    assert (lost.state, lost.reason) == ("lost", "silent")
    assert "was silent for" in lost.message
    second = ask.ask(made, client="host-2")
    assert second.attempt.trial == trial and second.attempt.n == 2
    assert second.token != claim.token
    quiet(86_400 + 60)
    recovery.lose_silent_asks(lambda: Silence.ALL)
    trial.refresh_from_db()
    assert (trial.state, trial.reason) == ("failed", "lost")


def test_who_was_told_to_stop_and_says_nothing_more_is_ended() -> None:
    made = sweep()
    claim = ask.ask(made)
    lifecycle.request_stop(claim.attempt.trial, reason="user", message="Enough.")
    recovery.recover(lambda: Silence.ALL)
    assert Trial.objects.get(pk=claim.attempt.trial_id).state == "running"
    quiet(120)
    recovery.recover(lambda: Silence.ALL)
    trial = Trial.objects.get(pk=claim.attempt.trial_id)
    assert (trial.state, trial.reason) == ("cancelled", "user")


def heartbeat_and_elapsed(claim: AskClaim) -> float:
    """A heartbeat, and the seconds of training that are known by then."""
    assert lifecycle.ask_heartbeat(claim.attempt)
    claim.attempt.refresh_from_db()
    assert claim.attempt.elapsed is not None
    return claim.attempt.elapsed


def test_its_time_is_added_up_between_signs_of_life() -> None:
    claim = ask.ask(sweep())
    for total in (0, 300, 600, 900):
        assert total - 1 < heartbeat_and_elapsed(claim) < total + 200
        quiet(300)


@pytest.mark.parametrize(
    ("by", "counted"), [(timedelta(hours=-1), 0), (timedelta(days=2), 600)]
)
def test_no_more_is_added_than_it_may_have_been_silent(
    by: timedelta, counted: float
) -> None:
    """Nor less than nothing: what was noted is of a clock that was set since."""
    claim = ask.ask(sweep(limits={"trial_timeout": 600}))
    Attempt.objects.update(elapsed=100.0, heartbeat_at=Now() - by)
    assert heartbeat_and_elapsed(claim) == 100 + counted


def test_without_a_limit_of_the_sweep_that_of_the_site_counts(settings: Any) -> None:
    settings.ASK_TIMEOUT_SECONDS = 50
    claim = ask.ask(sweep())
    quiet(3_600)
    assert heartbeat_and_elapsed(claim) == 50


def test_a_worker_s_trial_has_no_such_signs() -> None:
    made = factories.sweep(factories.team())
    attempt = factories.claim(factories.trial(made)).attempt
    assert not lifecycle.ask_heartbeat(attempt)
    attempt.refresh_from_db()
    assert attempt.elapsed is None


def test_a_change_of_the_future_keeps_no_asker_alive() -> None:
    claim = ask.ask(sweep())
    quiet(86_400 + 60)
    Trial.objects.update(updated_at=Now() + timedelta(hours=1))
    recovery.lose_silent_asks(lambda: Silence.ALL)
    assert Trial.objects.get(pk=claim.attempt.trial_id).state == "queued"


def rounds_after(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that has gone on for so long, without a worker anywhere."""
    clock = SimpleNamespace(now=1_000.0)
    clock.monotonic, clock.sleep = lambda: clock.now, lambda seconds: None
    module = "experiments.management.commands.scheduler"
    monkeypatch.setattr(f"{module}.time", clock)
    monkeypatch.setattr(f"{module}.close_old_connections", lambda: None)
    monkeypatch.setattr("experiments.queues.notify", lambda attempt, pool, **_: True)
    rounds = Rounds()
    for _ in range(int(seconds / 5)):
        clock.now += 5
        rounds.round()


@pytest.mark.parametrize(
    ("cancelled", "silence", "state"),
    [
        (False, 86_400 + 60, "queued"),
        (False, 3_600, "running"),
        (True, 120, "cancelled"),
    ],
)
def test_no_asker_waits_for_a_worker_where_none_lives(
    cancelled: bool, silence: float, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any worker the silence of other processes counts all the same."""
    made = sweep()
    claim = ask.ask(made)
    if cancelled:
        lifecycle.cancel_sweep(made)
    quiet(silence)
    assert not recovery.all_workers_are_silent()
    rounds_after(120, monkeypatch)
    assert Trial.objects.get(pk=claim.attempt.trial_id).state == state


def test_a_worker_that_is_away_does_not_keep_a_cancelled_trial_alive() -> None:
    made = sweep()
    claim = ask.ask(made)
    lifecycle.cancel_sweep(made)
    quiet(120)
    recovery.recover(lambda: Silence.STOPPING)
    assert Trial.objects.get(pk=claim.attempt.trial_id).state == "cancelled"


def test_a_sign_of_life_keeps_the_trial() -> None:
    made = sweep(limits={"trial_timeout": 600})
    claim = ask.ask(made)
    quiet(86_400)
    assert lifecycle.ask_heartbeat(claim.attempt)
    recovery.lose_silent_asks(lambda: Silence.ALL)
    claim.attempt.refresh_from_db()
    assert claim.attempt.state == "running"


def test_a_cancelled_sweep_ends_what_was_given_out() -> None:
    made = sweep()
    claim = ask.ask(made)
    lifecycle.cancel_sweep(made)
    assert factories.report(claim.attempt.trial, [0.5]).stop
    assert end(claim).state == "cancelled"
