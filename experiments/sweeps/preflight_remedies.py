"""What people can do about a pre-flight: start it, and the choices at its end."""

from __future__ import annotations

from experiments import lifecycle, queues
from experiments.failures.known_errors import known_error
from experiments.failures.preflight import Preflight
from experiments.models import Sweep, User
from experiments.models.sweeps import SweepState
from experiments.sweeps import control, primary_metric
from experiments.sweeps.remedies import NO_CHOICE, OUTSIDE, Remedy, proposed_first

# Before the name of a metric that becomes the primary one.
USE = "use:"


def start_preflight(sweep: Sweep, *, actor: User, hold: bool = True) -> str:
    """Test one configuration of a draft; a sentence about it. With ``hold`` the sweep
    is paused when it has passed. Raises NotPossible."""
    control.check_may_run(actor, sweep)
    if not lifecycle.start_preflight(sweep, hold=hold, actor=actor):
        sweep.refresh_from_db()
        text = f"{sweep} is {sweep.state}. Only a draft can be tested first."
        raise control.NotPossible(text)
    queues.wake_scheduler()
    then = "waits for you" if hold else "starts the others"
    return f"{sweep} tests one configuration, then {then}."


def waits_for_choice(sweep: Sweep) -> bool:
    """Whether it is paused because of its pre-flight."""
    reasons = (lifecycle.PREFLIGHT_FAILED, lifecycle.PREFLIGHT_HELD)
    return sweep.state == SweepState.PAUSED and sweep.reason in reasons


def preflight_remedies(sweep: Sweep, flight: Preflight) -> list[Remedy]:
    """The choices, the proposed one first."""
    if flight.state == "passed":
        start = "Start all trials"
        text = "The tested trial counts as the first one."
        return [Remedy("resume", start, text, "proposed"), _copy()]
    found = [_use(name, sweep) for name in flight.similar_names if _may_use(sweep)]
    again = "Fix the cause first; then one more configuration runs alone."
    found += [
        _copy(),
        Remedy("repeat", "Test one configuration again", again, "after a fix"),
        Remedy("resume", "Continue anyway", "All trials start."),
    ]
    return proposed_first(found, "repeat" if _is_outside(sweep) else found[0].value)


def _is_outside(sweep: Sweep) -> bool:
    """Whether the tested trial's error is fixed outside the sweep."""
    failed = sweep.trials.filter(current_attempt__error__gt="").order_by("-number")
    error = failed.values_list("current_attempt__error", flat=True).first()
    cause = known_error(error or "")
    return cause is not None and cause.kind in OUTSIDE


def _may_use(sweep: Sweep) -> bool:
    return not primary_metric.refusal_of(sweep)


def _use(name: str, sweep: Sweep) -> Remedy:
    return Remedy(
        f"{USE}{name}",
        f"Use {name} as the primary metric",
        f"The sweep {primary_metric.goal_with(sweep, name)}s {name} instead of"
        f" {sweep.primary_metric}, after one more test.",
    )


def _copy() -> Remedy:
    return Remedy(
        "copy",
        "Fix it and start a copy",
        "Opens the form with the same settings. Nothing runs until you start it.",
        "your change",
    )


def do_preflight_remedy(sweep: Sweep, value: str, *, actor: User) -> str:
    """Do one of the choices but the copy, which is a form; a sentence about it. Raises
    NotPossible."""
    flight = Preflight.of(sweep)
    known = {r.value for r in preflight_remedies(sweep, flight)} if flight else set()
    if value not in known - {"copy"}:
        raise control.NotPossible(NO_CHOICE)
    if value == "resume":
        control.steer(sweep, "resume", actor=actor)
        return f"{sweep} resumed with all its trials."
    control.check_may_run(actor, sweep)
    message = f"{sweep} tests one more configuration first."
    if value.startswith(USE):
        name = value.removeprefix(USE)
        primary_metric.use_metric(sweep, name, actor=actor)
        message = f"{sweep} now {sweep.goal}s {name}. {message}"
    if not lifecycle.repeat_preflight(sweep, actor=actor):
        raise control.NotPossible(f"The sweep {sweep} is {sweep.state}, not paused.")
    queues.wake_scheduler()
    return message
