"""Where configurations are trainings of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from experiments.search.gp.encoding import Encoding
from experiments.search.gp.novelty import Novelty
from experiments.search.history import History
from experiments.search.records import Objective, TrialRecord
from experiments.search.space.space import SearchSpace
from experiments.search.study import Study

SQUARE = SearchSpace.parse({"x": "uniform(0, 1)", "y": "uniform(0, 1)"})
MIXED = SearchSpace.parse({"optimizer": "choice('sgd', 'adam')", "x": "uniform(0, 1)"})
LOSS = Objective("loss", "minimize")


def history_of(
    space: SearchSpace, training: Callable[[Mapping[str, object]], object], trials: int
) -> History:
    """Random trials; two are one and the same where `training` says the same."""
    rng = np.random.default_rng(5)
    params = [space.sample(rng) for _ in range(trials)]
    records = [TrialRecord(n, p, "completed", 1.0) for n, p in enumerate(params)]
    history = History.of(space, LOSS, records)
    trainings = [training(p) for p in params]
    history.set_trainings({n: trainings.index(t) for n, t in enumerate(trainings)})
    return history


def chance(history: History, params: Mapping[str, object]) -> float:
    novelty = Novelty.of(Encoding(history.space), history)
    assert novelty is not None
    point = history.space.encode(params)[None]  # type: ignore[arg-type]
    active = np.ones(point.shape, bool)
    return float(np.exp(novelty.log_chances(point, active)[0]))


def test_while_no_trial_repeats_another_all_are_new() -> None:
    history = history_of(SQUARE, str, 20)
    assert Novelty.of(Encoding(SQUARE), history) is None


def test_what_is_close_to_a_trial_is_likely_to_repeat_it() -> None:
    history = history_of(
        SQUARE,
        lambda p: (round(8 * p["x"]), round(8 * p["y"])),
        60,  # type: ignore[operator]
    )
    points = history.points
    grid = np.stack(np.meshgrid(*[np.linspace(0.01, 0.99, 40)] * 2), -1).reshape(-1, 2)
    far = grid[((grid[:, None] - points) ** 2).sum(-1).min(1).argmax()]
    close = points[30] + 0.001
    beside, apart = (chance(history, {"x": x, "y": y}) for x, y in (close, far))
    assert beside < 0.3 < apart and beside < apart / 2


def test_a_region_where_a_parameter_is_ignored_differs_from_others() -> None:
    history = history_of(SQUARE, lambda p: p["x"] if p["y"] > 0.5 else "one", 40)  # type: ignore[operator]
    low, high = (chance(history, {"x": 0.5, "y": y}) for y in (0.1, 0.9))
    assert low < 0.3 and high > 0.7


def test_a_category_where_a_parameter_is_ignored_differs_from_the_other() -> None:
    history = history_of(
        MIXED, lambda p: p["x"] if p["optimizer"] == "sgd" else "one", 40
    )
    sgd, adam = (
        chance(history, {"optimizer": name, "x": 0.5}) for name in ("sgd", "adam")
    )
    assert adam < 0.2 and sgd > 0.8


def distinct(seed: int, trials: int = 40) -> int:
    """How many trainings a study finds whose script takes the nearest of 200 settings,
    most of them in one corner."""
    rng = np.random.default_rng(seed)
    settings = rng.random((200, 3)) ** [1, 0.1, 0.1]
    study = Study(
        search_space=dict.fromkeys(("a", "b", "c"), "uniform(0, 1)"),
        sampling_algorithm={"type": "bayesian", "seed": seed},
        objective={"primary_metric": "loss", "goal": "minimize"},
        early_termination="predictive",
    )
    found = set()
    for _ in range(trials):
        trial = study.ask()
        assert trial is not None
        point = np.array([trial.params[name] for name in ("a", "b", "c")], float)
        place = int(((settings - point) ** 2).sum(axis=1).argmin())
        found.add(place)
        loss = float(((settings[place] - [0.3, 0.95, 0.99]) ** 2).sum())
        for step in range(1, 13):
            value = loss + (1 + place / 200) / (step + place / 70)
            if study.report(trial.number, step=step, value=value).stop:
                study.tell(trial.number, state="terminated")
                break
        else:
            study.tell(trial.number)
    return len(found)


def test_a_study_finds_more_trainings_where_it_minds_repeats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    minding = distinct(0)
    monkeypatch.setattr(Novelty, "of", lambda encoding, history: None)
    assert minding > 1.5 * distinct(0)


def test_what_did_not_vary_decides_nothing_elsewhere() -> None:
    rng = np.random.default_rng(1)
    xs = 0.3 + 0.003 * rng.standard_normal(60)
    records = [
        TrialRecord(n, {"optimizer": "sgd", "x": float(x)}, "completed", 1.0)
        for n, x in enumerate(xs)
    ]
    history = History.of(MIXED, LOSS, records)
    history.set_trainings({n: n if rng.random() < 0.5 else 0 for n in range(60)})
    for name, x in (("adam", 0.3), ("sgd", 0.95), ("sgd", 0.01)):
        assert chance(history, {"optimizer": name, "x": x}) > 0.1
