"""What every sampler keeps to. A sampler's tests subclass SamplerContract."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from experiments.search.history import History, empty
from experiments.search.records import JSONValue, Objective, TrialRecord
from experiments.search.samplers import Sampler, make_sampler
from experiments.search.space.space import SearchSpace
from tests.in_time import in_time

LOSS = Objective("loss", "minimize")
FINITE: Mapping[str, object] = {
    "layers": "choice(1, 2, 3)",
    "optimizer": 'choice("sgd", "adam")',
    "size": {"type": "quniform", "min_value": 1, "max_value": 10, "q": 4},
    "depth": {"type": "int", "low": 1, "high": 2},
}
WIDE: Mapping[str, object] = {
    "choice": 'choice(1, "1", true, null, [1, 2])',
    "randint": "randint(10)",
    "uniform": "uniform(0.05, 0.1)",
    "quniform": "quniform(0, 10, 2)",
    "loguniform": "loguniform(-6, -1)",
    "qloguniform": "qloguniform(0, 5, 1)",
    "normal": "normal(10, 3)",
    "qnormal": "qnormal(10, 3, 2)",
    "lognormal": "lognormal(0, 1)",
    "qlognormal": "qlognormal(0, 1, 0.5)",
    "int": "int(1, 1000, log=true)",
    "float": "float(0.0001, 0.1, log=true)",
}
COUNT = 24
# Conditions before and after, a nested choice, and something that is not allowed.
CONDITIONAL: Mapping[str, object] = {
    "momentum": {"type": "choice", "values": [0, 1], "when": {"optimizer": "sgd"}},
    "optimizer": "choice('sgd', 'adam')",
    "net": 'choice({"kind": "mlp", "units": choice(8, 64)}, {"kind": "none"}, null)',
    "depth": {"type": "int", "low": 1, "high": 3, "when": {"net.units": [8]}},
}
RULES = ("depth + momentum < 4",)
# Nets without depth: 3; with depth 1, 2, 3. adam: 6; sgd with momentum 0: 6, 1: 5.
CONDITIONAL_COUNT = 6 + 6 + 5
BRANCHING: Mapping[str, object] = {
    "optimizer": "choice('sgd', 'adam')",
    "rate": "float(0.0001, 1, log=true)",
    "momentum": {"type": "float", "low": 0, "high": 1, "when": {"optimizer": "sgd"}},
    "net": 'choice({"kind": "mlp", "units": int(1, 64)}, {"kind": "none"})',
}
CONSTANT: Mapping[str, object] = {
    "only": "choice('relu')",
    "three": "int(3, 3)",
    "fixed": "normal(2, 0)",
}
ALLOWED: Mapping[str, object] = {"a": "uniform(0, 1)", "b": "int(1, 100)"}
CONSTRAINTS: Mapping[str, tuple[str, ...]] = {
    json.dumps(CONDITIONAL): RULES,
    json.dumps(ALLOWED): ("100 * a + b < 60", "b > 10 * a"),
}
SQUARE: Mapping[str, object] = {"x": "uniform(0, 1)", "y": "uniform(0, 1)"}

# Prints the suggestion for a history that is read from the standard input.
ELSEWHERE = """
import json, sys
from tests.search.samplers.sampler_contract import told, sampler_of
given = json.load(sys.stdin)
sampler = sampler_of(given["settings"], given["space"])
suggestion = sampler.suggest(given["number"], told(sampler.space, given["values"]))
print(json.dumps([suggestion.params, suggestion.origin]))
"""
ROOT = Path(__file__).parents[3]


@cache
def weights(number: int, step: int, total: int = 100) -> SearchSpace:
    """Weights of up to 100 that add up to a total: very few of the combinations."""
    names = [f"w{place}" for place in range(number)]
    rule = f"{' + '.join(names)} == {total}"
    law = f"quniform(0, 100, {step})"
    return SearchSpace.parse(dict.fromkeys(names, law), constraints=[rule])


def sampler_of(
    settings: Mapping[str, object],
    space: Mapping[str, object],
    budget: int | None = None,
) -> Sampler:
    rules = CONSTRAINTS.get(json.dumps(space), ())
    return make_sampler(
        settings, SearchSpace.parse(space, constraints=rules), budget=budget
    )


def told(space: SearchSpace, rows: list[list[object]]) -> History:
    """A history of rows: number, params, state, value."""
    return History.of(space, LOSS, (TrialRecord(*row) for row in rows))  # type: ignore[arg-type]


def random_rows(space: SearchSpace, number: int) -> list[list[object]]:
    """Records of random configurations in every state."""
    rng = np.random.default_rng(3)
    states = ["completed"] * 6 + ["terminated", "cancelled", "failed", "running"]
    rows: list[list[object]] = []
    for index in range(number):
        value = None if index % 7 == 6 else float(rng.random())
        state = states[int(rng.integers(len(states)))]
        rows.append([index, space.sample(rng), state, value])
    return rows


@cache
def thousands(space: str) -> list[list[object]]:
    """The same for every sampler: drawing them takes longer than a suggestion."""
    return random_rows(SearchSpace.parse(json.loads(space)), 3000)


class SamplerContract:
    """Subclasses name their sampler, and whether it searches infinite spaces."""

    kind: ClassVar[str]
    infinite: ClassVar[bool] = True
    # So many trials of each space; fewer for a sampler that thinks about each.
    trials: ClassVar[int] = 15

    def make(
        self,
        space: Mapping[str, object] = FINITE,
        *,
        seed: int = 7,
        budget: int | None = None,
    ) -> Sampler:
        return sampler_of({"type": self.kind, "seed": seed}, space, budget)

    def spaces(self) -> list[Mapping[str, object]]:
        endless = [WIDE, BRANCHING, ALLOWED] if self.infinite else []
        return [FINITE, CONDITIONAL, *endless]

    def drawn(
        self, sampler: Sampler, number: int, history: History | None = None
    ) -> list[Mapping[str, JSONValue]]:
        """So many trials in order, each told with a value once it was drawn."""
        history = empty(sampler.space, LOSS) if history is None else history
        found = []
        for index in range(number):
            suggestion = sampler.suggest(index, history)
            assert suggestion is not None
            found.append(suggestion.params)
            history.start(index, suggestion.params)
            history.update(index, state="completed", value=float(index % 5))
        return found

    def test_every_configuration_lies_in_the_space(self) -> None:
        for space in self.spaces():
            sampler = self.make(space)
            count = sampler.space.count()
            for params in self.drawn(sampler, min(self.trials, count or self.trials)):
                assert sampler.space.problems(params) == ()
                assert list(params) == [name for name in space if name in params]
                json.dumps(params, allow_nan=False)

    def test_the_same_seed_gives_the_same_configurations(self) -> None:
        for space in self.spaces():
            one, other = self.make(space), self.make(space)
            assert self.drawn(one, self.trials) == self.drawn(other, self.trials)

    def test_a_sampler_without_history_needs_only_the_number(self) -> None:
        for space in self.spaces():
            sampler = self.make(space)
            if sampler.needs_history:
                continue
            in_order = self.drawn(sampler, 15)
            for number in (14, 0, 7, 7, 12):
                suggestion = self.make(space).suggest(number)
                assert suggestion is not None
                assert suggestion.params == in_order[number]

    def test_a_new_sampler_for_each_trial_changes_nothing(self) -> None:
        for space in self.spaces():
            history = empty(self.make(space).space, LOSS)
            in_order = self.drawn(self.make(space), self.trials)
            for number, params in enumerate(in_order):
                suggestion = self.make(space).suggest(number, history)
                assert suggestion is not None and suggestion.params == params
                history.start(number, params)
                history.update(number, state="completed", value=float(number % 5))

    def test_every_suggestion_has_a_short_origin(self) -> None:
        sampler = self.make()
        history = empty(sampler.space, LOSS)
        for number in range(self.trials):
            suggestion = sampler.suggest(number, history)
            assert suggestion is not None and 0 < len(suggestion.origin) <= 40
            history.start(number, suggestion.params)
            history.update(number, state="completed", value=float(number))

    def test_it_says_what_it_does_in_a_sentence(self) -> None:
        for space in self.spaces():
            sampler = self.make(space)
            history = empty(sampler.space, LOSS)
            for words in (sampler.in_words(), sampler.in_words(history)):
                assert words[0].isupper() and words.endswith(".")
            self.drawn(sampler, self.trials, history)
            assert sampler.in_words(history).endswith(".")

    @pytest.mark.parametrize(
        ("space", "count"), [(FINITE, COUNT), (CONDITIONAL, CONDITIONAL_COUNT)]
    )
    def test_a_finite_space_is_gone_through_once_and_then_ends(
        self, space: Mapping[str, object], count: int
    ) -> None:
        sampler = self.make(space)
        assert sampler.space.count() == count
        history = empty(sampler.space, LOSS)
        found = self.drawn(sampler, count, history)
        assert len({json.dumps(params) for params in found}) == count
        assert sampler.suggest(count, history) is None
        assert sampler.suggest(count + 1000, history) is None

    def test_a_finite_space_is_not_repeated_while_trials_run_and_fail(self) -> None:
        sampler = self.make()
        history = empty(sampler.space, LOSS)
        found = set()
        for number in range(COUNT):
            suggestion = sampler.suggest(number, history)
            assert suggestion is not None
            found.add(json.dumps(suggestion.params))
            history.start(number, suggestion.params)
            if number >= 4:
                state = "failed" if number % 3 else "completed"
                history.update(number - 4, state=state, value=float(number % 6))
        assert len(found) == COUNT
        assert sampler.suggest(COUNT, history) is None

    def test_a_space_of_which_very_little_is_allowed_is_searched(self) -> None:
        settings = {"type": self.kind, "seed": 7}
        sampler = make_sampler(settings, weights(8, step=10))
        found = self.drawn(sampler, 20)
        assert all(sum(params.values()) == 100 for params in found)  # type: ignore[arg-type]
        assert len(set(map(json.dumps, found))) == len(found)

    def test_a_space_of_one_point_has_one_trial(self) -> None:
        sampler = self.make(CONSTANT)
        history = empty(sampler.space, LOSS)
        only = {"only": "relu", "three": 3, "fixed": 2.0}
        assert self.drawn(sampler, 1, history) == [only]
        assert sampler.suggest(1, history) is None

    def test_dimensions_with_one_value_do_not_matter(self) -> None:
        space = {**CONSTANT, **FINITE}
        found = self.drawn(self.make(space), COUNT)
        assert len({json.dumps(params) for params in found}) == COUNT
        assert all(params["three"] == 3 for params in found)

    @pytest.mark.parametrize("state", ["failed", "running", "queued", "terminated"])
    def test_it_accepts_trials_without_a_value(self, state: str) -> None:
        for space in self.spaces():
            sampler = self.make(space)
            history = empty(sampler.space, LOSS)
            for number in range(self.trials):
                suggestion = sampler.suggest(number, history)
                assert suggestion is not None
                history.start(number, suggestion.params)
                history.update(number, state=state, value=None)

    @pytest.mark.parametrize("value", [0.0, 1e308, -1e308, 1e-320, math.pi, math.nan])
    def test_it_accepts_equal_and_extreme_values(self, value: float) -> None:
        sampler = self.make()
        history = empty(sampler.space, LOSS)
        for number in range(self.trials):
            suggestion = sampler.suggest(number, history)
            assert suggestion is not None
            history.start(number, suggestion.params)
            history.update(number, state="completed", value=value)

    def test_it_accepts_values_of_every_magnitude(self) -> None:
        for space in self.spaces():
            sampler = self.make(space)
            history = empty(sampler.space, LOSS)
            values = (1e308, -1e308, 1e-320, 0.0, 1e16, math.nan, -5.0, None)
            for number in range(self.trials + 1):
                suggestion = sampler.suggest(number, history)
                assert suggestion is not None
                history.start(number, suggestion.params)
                value = values[number % len(values)]
                history.update(number, state="completed", value=value)

    def test_it_accepts_trials_of_every_state(self) -> None:
        for space in self.spaces():
            sampler = self.make(space)
            if sampler.space.is_finite and not sampler.needs_history:
                continue
            history = told(sampler.space, random_rows(sampler.space, 40))
            suggestion = sampler.suggest(40, history)
            if suggestion is not None:
                assert sampler.space.contains(suggestion.params)

    def test_it_accepts_trials_from_outside_the_space(self) -> None:
        sampler = self.make()
        history = empty(sampler.space, LOSS)
        history.start(0, {"layers": 77})
        history.update(0, state="completed", value=1.0)
        assert history.outside == 1
        suggestion = sampler.suggest(1, history)
        assert suggestion is not None and sampler.space.contains(suggestion.params)

    def test_the_order_in_which_trials_end_does_not_matter(self) -> None:
        for space in self.spaces():
            sampler = self.make(space)
            rows = random_rows(sampler.space, 15)
            forwards = sampler.suggest(15, told(sampler.space, rows))
            backwards = sampler.suggest(15, told(sampler.space, rows[::-1]))
            assert forwards == backwards

    def test_thousands_of_trials_stay_fast(self) -> None:
        for space in (WIDE, BRANCHING) if self.infinite else ():
            sampler = self.make(space)
            history = told(sampler.space, thousands(json.dumps(space)))
            # Some 0.1 s where nothing else runs; whatever grows with the square of the
            # trials takes minutes. Speed itself is measured in tests/benchmarks.
            suggestion = in_time(20, partial(sampler.suggest, 3000, history))
            assert suggestion is not None
            assert sampler.space.contains(suggestion.params)

    def test_another_process_suggests_the_same_to_the_last_bit(self) -> None:
        spaces = self.spaces()
        space = BRANCHING if BRANCHING in spaces else FINITE
        settings = {"type": self.kind, "seed": 11}
        sampler = sampler_of(settings, space)
        rows = random_rows(sampler.space, 20)
        here = sampler.suggest(20, told(sampler.space, rows))
        assert here is not None
        given = {"settings": settings, "space": space, "number": 20, "values": rows}
        there = subprocess.run(
            [sys.executable, "-c", ELSEWHERE],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"},
            check=True,
        )
        assert json.loads(there.stdout) == [here.params, here.origin]
