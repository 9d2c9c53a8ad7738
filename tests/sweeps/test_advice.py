"""Suggestions for a sweep, in words, with bounds that the builder can open."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.models import Sweep, Trial
from experiments.sweeps.advice import (
    Advice,
    advice_of,
    dismiss,
    known_advice,
    not_dismissed,
)
from tests import factories

pytestmark = pytest.mark.django_db

WIDTHS = [16, 32, 64, 128, 256]
SPACE = {
    "lr": {"type": "uniform", "min_value": 0.1, "max_value": 0.5},
    "hidden": {"type": "choice", "values": WIDTHS},
    "warm": {"type": "choice", "values": ["yes", "no"]},
}


def made_sweep(count: int, **fields: Any) -> Sweep:
    """Wider is better, the rate is best in the middle, and the rest is noise."""
    command = {"command": "python train.py --lr ${{search_space.lr}}"}
    document = factories.definition_document(search_space=SPACE, trial=command)
    made = factories.sweep(factories.team(), document=document, **fields)
    Trial.objects.bulk_create(_trial(made, number) for number in range(count))
    return made


def _trial(made: Sweep, number: int) -> Trial:
    # Of every pair of values about as many.
    hidden = WIDTHS[(number * 7) % 5]
    rate = 0.1 + 0.4 * ((number * 0.618) % 1)
    params = {"lr": rate, "hidden": hidden, "warm": ["yes", "no"][number // 5 % 2]}
    value = hidden / 256 - 0.2 * abs(rate - 0.3)
    return Trial(
        experiment_id=made.experiment_id,
        sweep=made,
        number=number,
        state="completed",
        value=value,
        params=params,
    )


def by_key(made: Sweep) -> dict[str, Advice]:
    return {piece.key: piece for piece in advice_of(made)}


def test_widen_a_choice_and_fix_what_does_not_matter() -> None:
    found = by_key(made_sweep(120))
    widen = found["widen:hidden"]
    assert (
        widen.reason
        == "all of the best 30 trials use 128 or 256, the top of the range."
    )
    assert (widen.action, widen.to) == ("Add 512", "builder")
    assert widen.bounds == "hidden:[16, 32, 64, 128, 256, 512]"
    fix = found["fix:warm"]
    assert fix.action.startswith("Fix at ") and fix.bounds in (
        'warm:["yes"]',
        'warm:["no"]',
    )
    assert "not told apart from chance" in fix.reason


def test_no_advice_from_few_trials() -> None:
    made = made_sweep(19)
    assert known_advice(made, valued=19) == () and advice_of(made) == ()


def test_what_is_known_is_not_computed_again() -> None:
    made = made_sweep(60)
    assert known_advice(made, valued=60) is None
    found = advice_of(made)
    assert known_advice(made, valued=60) == found != ()
    assert known_advice(made, valued=61) is None


def test_a_policy_that_saves_nothing_or_is_too_strict() -> None:
    policy = {"type": "median_stopping"}
    made = made_sweep(40, early_termination=policy)
    saves = by_key(made)["policy:saves"]
    assert saves.to == "simulator"
    assert saves.reason == "it ended 0 of 40 trials and saved 0 % of the compute."
    ended = made.trials.filter(number__lt=15)
    ended.update(state="terminated", value=0.99)
    strict = by_key(made)["policy:strict"]
    assert strict.reason.startswith("15 of the 15 trials that it ended were already")


def test_a_search_that_has_settled() -> None:
    made = made_sweep(50)
    for trial in made.trials.all():
        value = 2.0 if trial.number == 5 else trial.value
        ended = made.created_at.replace(microsecond=trial.number)
        Trial.objects.filter(pk=trial.pk).update(value=value, ended_at=ended)
    stop = by_key(made)["stop"]
    assert stop.to == "cancel" and "44 trials ended since trial 5" in stop.reason
    Sweep.objects.filter(pk=made.pk).update(state="completed")
    made.refresh_from_db()
    assert "stop" not in by_key(made)


def test_what_a_person_dismissed_is_shown_to_others() -> None:
    made = made_sweep(120)
    ada, bob = factories.user("ada"), factories.user("bob")
    found = advice_of(made)
    dismiss(made, ada, ["widen:hidden"])
    assert "widen:hidden" not in {p.key for p in not_dismissed(made, ada, found)}
    dismiss(made, ada, [piece.key for piece in found])
    assert not_dismissed(made, ada, found) == []
    assert not_dismissed(made, bob, found) == list(found)
