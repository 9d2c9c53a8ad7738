"""Runs and trials of this site as the first trials of a draft."""

from __future__ import annotations

from typing import Any

import pytest

from experiments import lifecycle
from experiments.models import Sweep, Trial
from experiments.models.trials import TrialState
from experiments.sweeps.control import NotPossible
from experiments.sweeps.warm_start import sources_of, warm_start
from tests import factories

pytestmark = pytest.mark.django_db

SPACE = {
    "lr": {"type": "float", "low": 0.001, "high": 1.0, "log": True},
    "layers": {"type": "int", "low": 1, "high": 4},
    "act": {"type": "choice", "values": ["relu", "tanh", "1"]},
}
GOOD = {"lr": "1e-2", "layers": "3", "act": "1", "epochs": "30"}


@pytest.fixture
def draft() -> Sweep:
    document = factories.definition_document(search_space=SPACE, trial={"command": "x"})
    return factories.sweep(factories.team(), state="draft", document=document)


def run(
    *values: float, state: TrialState | None = TrialState.COMPLETED, **params: Any
) -> Trial:
    made = factories.run(factories.team(), params=GOOD | params)
    factories.report(made, values or [0.5])
    if state is not None:
        lifecycle.finish_run(made, state)
    made.refresh_from_db()
    return made


def reasons(draft: Sweep, *runs: Trial) -> list[str]:
    return [each.reason for each in warm_start(draft, runs).left_out]


def test_texts_are_read_by_the_space(draft: Sweep) -> None:
    done, failed = run(0.25, 0.75, 0.5), run(state=TrialState.FAILED, act="relu")
    assert warm_start(draft, [done, failed]).added == 2
    first, second = draft.trials.order_by("number")
    assert first.params == {"lr": 0.01, "layers": 3, "act": "1"}
    assert (first.value, first.state, first.origin) == (0.75, "completed", "imported")
    assert first.message.endswith(f"Source: {done.label}.")
    assert (second.state, second.params["act"]) == ("failed", "relu")
    draft.refresh_from_db()
    assert draft.max_total_trials == 4 + 2


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"lr": "high"}, "lr must be a number"),
        ({"lr": "2.0"}, "lr is 2.0; the search space has numbers from 0.001 to 1.0."),
        (
            {"layers": "9"},
            "layers is 9; the search space has whole numbers from 1 to 4.",
        ),
        ({"act": "gelu"}, "the search space has 'relu', 'tanh' and '1'."),
        ({"layers": "2.5"}, "layers must be a whole number"),
        ({"act": "gelu"}, "act is 'gelu'"),
        ({"layers": ""}, "layers"),
    ],
)
def test_what_the_space_does_not_contain_is_left_out_and_says_why(
    draft: Sweep, params: dict[str, str], words: str
) -> None:
    (reason,) = reasons(draft, run(**params))
    assert words.replace("'", '"') in reason.replace("'", '"')
    assert not draft.trials.exists()


def test_what_runs_or_has_no_value_is_left_out(draft: Sweep) -> None:
    silent = factories.run(factories.team(), params=GOOD)
    lifecycle.finish_run(silent, TrialState.COMPLETED)
    assert reasons(draft, run(state=None), silent) == [
        "It has not ended.",
        "It reported no value of accuracy.",
    ]


def test_trials_of_other_sweeps_can_be_used_too(draft: Sweep) -> None:
    document = factories.definition_document(search_space=SPACE, trial={"command": "x"})
    other = factories.sweep(factories.team(), document=document)
    params = {"lr": 0.1, "layers": 2, "act": "tanh"}
    trial = factories.reported_trial(
        other, [0.5, 0.25], params=params, state="completed"
    )
    assert warm_start(draft, [trial]).added == 1
    assert draft.trials.get().params == params


def test_events_keep_what_was_left_out_and_trials_know_their_run(draft: Sweep) -> None:
    good = run()
    warm_start(draft, [run(state=None), good, run(lr="2.0")])
    (event,) = draft.events.filter(verb="first trials added")
    assert "1 run became the first trials. Left out 2 runs." in event.message
    assert " has not ended. " in event.message
    trial = draft.trials.select_related("experiment").get()
    assert sources_of([trial]) == {trial.pk: good}


def test_only_a_draft_without_trials_takes_them(draft: Sweep) -> None:
    assert warm_start(draft, [run()]).added == 1
    with pytest.raises(NotPossible, match="has first trials already"):
        warm_start(draft, [run()])
