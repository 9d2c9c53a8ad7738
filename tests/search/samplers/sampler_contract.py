"""What every sampler keeps to. A sampler's tests subclass SamplerContract."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import ClassVar

import pytest

from experiments.search.records import JSONValue, TrialRecord
from experiments.search.samplers import Sampler, make_sampler
from experiments.search.space import SearchSpace

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


class SamplerContract:
    """Subclasses name their sampler, and whether it searches infinite spaces."""

    kind: ClassVar[str]
    infinite: ClassVar[bool] = True

    def make(
        self, space: Mapping[str, object] = FINITE, *, seed: int = 7, **more: object
    ) -> Sampler:
        settings = {"type": self.kind, "seed": seed, **more}
        rules = RULES if space == CONDITIONAL else ()
        return make_sampler(settings, SearchSpace.parse(space, constraints=rules))

    def spaces(self) -> list[Mapping[str, object]]:
        return [FINITE, CONDITIONAL, *([WIDE] if self.infinite else [])]

    def drawn(
        self, sampler: Sampler, number: int, history: list[TrialRecord] | None = None
    ) -> list[Mapping[str, JSONValue]]:
        """So many trials in order, each told with a value once it was drawn."""
        history = [] if history is None else history
        found = []
        for index in range(number):
            suggestion = sampler.suggest(index, history)
            assert suggestion is not None
            found.append(suggestion.params)
            value = float(index % 5)
            history.append(TrialRecord(index, suggestion.params, "completed", value))
        return found

    def test_every_configuration_lies_in_the_space(self) -> None:
        for space in self.spaces():
            sampler = self.make(space)
            for params in self.drawn(sampler, 15):
                assert sampler.space.problems(params) == ()
                assert list(params) == [name for name in space if name in params]
                json.dumps(params, allow_nan=False)

    def test_the_same_seed_gives_the_same_configurations(self) -> None:
        for space in self.spaces():
            one, other = self.make(space), self.make(space)
            assert self.drawn(one, 15) == self.drawn(other, 15)

    def test_a_sampler_without_history_needs_only_the_number(self) -> None:
        for space in self.spaces():
            sampler = self.make(space)
            if sampler.needs_history:
                continue
            in_order = self.drawn(sampler, 15)
            for number in (14, 0, 7, 7, 12):
                suggestion = self.make(space).suggest(number, [])
                assert suggestion is not None
                assert suggestion.params == in_order[number]

    def test_every_suggestion_has_an_origin(self) -> None:
        suggestion = self.make().suggest(0, [])
        assert suggestion is not None and suggestion.origin

    @pytest.mark.parametrize(
        ("space", "count"), [(FINITE, COUNT), (CONDITIONAL, CONDITIONAL_COUNT)]
    )
    def test_a_finite_space_is_gone_through_once_and_then_ends(
        self, space: Mapping[str, object], count: int
    ) -> None:
        sampler = self.make(space)
        assert sampler.space.count() == count
        history: list[TrialRecord] = []
        found = self.drawn(sampler, count, history)
        assert len({json.dumps(params) for params in found}) == count
        assert sampler.suggest(count, history) is None
        assert sampler.suggest(count + 1000, history) is None

    @pytest.mark.parametrize("state", ["failed", "running", "queued", "terminated"])
    def test_it_lives_with_trials_without_a_value(self, state: str) -> None:
        sampler = self.make()
        history: list[TrialRecord] = []
        for number in range(10):
            suggestion = sampler.suggest(number, history)
            assert suggestion is not None
            history.append(TrialRecord(number, suggestion.params, state, None))

    @pytest.mark.parametrize("value", [0.0, 1e308, -1e308, 1e-320, math.pi])
    def test_it_lives_with_equal_and_extreme_values(self, value: float) -> None:
        sampler = self.make()
        history: list[TrialRecord] = []
        for number in range(10):
            suggestion = sampler.suggest(number, history)
            assert suggestion is not None
            record = TrialRecord(number, suggestion.params, "completed", value)
            history.append(record)

    def test_the_order_in_which_trials_end_does_not_matter(self) -> None:
        sampler = self.make()
        history: list[TrialRecord] = []
        self.drawn(sampler, 10, history)
        forwards = sampler.suggest(10, history)
        backwards = sampler.suggest(10, history[::-1])
        assert forwards == backwards
