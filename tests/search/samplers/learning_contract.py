"""What every sampler that goes by the results keeps to: its tests subclass
LearningContract."""

from __future__ import annotations

import math
from collections.abc import Mapping

from experiments.search.history import History, empty
from experiments.search.records import JSONValue, Objective, TrialRecord
from experiments.search.samplers import Sampler
from tests.search.samplers.sampler_contract import (
    BRANCHING,
    COUNT,
    LOSS,
    SQUARE,
    SamplerContract,
    random_rows,
    told,
)


class LearningContract(SamplerContract):
    """What is expected of a sampler that goes by the results."""

    def run(
        self,
        sampler: Sampler,
        trials: int,
        *,
        running: int = 4,
        failing: bool = False,
    ) -> list[Mapping[str, JSONValue]]:
        """Trials of a bowl whose lowest point is at x = 0.52; this many run at a time.

        With `failing` all on the left of it fail.
        """
        history = empty(sampler.space, LOSS)
        found = []
        for number in range(trials):
            suggestion = sampler.suggest(number, history)
            assert suggestion is not None
            found.append(suggestion.params)
            history.start(number, suggestion.params)
            ended = number - running + 1
            if ended >= 0:
                x, y = point(found[ended])
                fails = failing and x < 0.5
                value = None if fails else (x - 0.52) ** 2 + (y - 0.7) ** 2
                state = "failed" if fails else "completed"
                history.update(ended, state=state, value=value)
        return found

    def test_it_searches_where_results_are_good(self) -> None:
        found = self.run(self.make(SQUARE), 50)
        distances = [math.dist(point(params), (0.52, 0.7)) for params in found]
        # A tenth of the square's points lie within 0.18 of the lowest one: of 30 random
        # ones 9 or more do in one of 500 runs.
        assert sum(distance < 0.18 for distance in distances[20:]) >= 9

    def test_a_region_that_fails_is_left_alone(self) -> None:
        for seed in (1, 2, 3):
            found = self.run(self.make(SQUARE, seed=seed), 60, failing=True)
            later = [point(params)[0] < 0.5 for params in found[30:]]
            assert sum(later) < 0.25 * len(later)

    def test_sixteen_trials_requested_at_once_are_spread(self) -> None:
        sampler = self.make(SQUARE)
        history = empty(sampler.space, LOSS)
        for number, params in enumerate(self.run(sampler, 40)):
            x, y = point(params)
            history.start(number, params)
            value = (x - 0.52) ** 2 + (y - 0.7) ** 2
            history.update(number, state="completed", value=value)
        asked = []
        for number in range(40, 56):
            suggestion = sampler.suggest(number, history)
            assert suggestion is not None
            history.start(number, suggestion.params)
            asked.append(point(suggestion.params))
        apart = [
            max(abs(one[0] - other[0]), abs(one[1] - other[1]))
            for place, one in enumerate(asked)
            for other in asked[:place]
        ]
        assert min(apart) > 0.01

    def test_what_was_imported_counts_and_is_not_repeated(self) -> None:
        sampler = self.make()
        everything = [sampler.space.configuration(index) for index in range(COUNT)]
        rows: list[list[object]] = [
            [number, params, "completed", float(number)]
            for number, params in enumerate(everything[: COUNT - 2])
        ]
        left = everything[COUNT - 2 :]
        history = told(sampler.space, rows)
        for number in (100, 101):
            suggestion = sampler.suggest(number, history)
            assert suggestion is not None
            left.remove(suggestion.params)
            history.start(number, suggestion.params)
        assert left == [] and sampler.suggest(102, history) is None

    def test_whether_a_metric_is_to_rise_or_fall_makes_no_difference(self) -> None:
        sampler = self.make(BRANCHING)
        rows = random_rows(sampler.space, 30)
        negative = [
            [number, params, state, None if value is None else -value]
            for number, params, state, value in rows
        ]
        gains = (TrialRecord(*row) for row in negative)
        rising = History.of(sampler.space, Objective("gain", "maximize"), gains)
        falling = told(sampler.space, rows)
        assert sampler.suggest(30, falling) == sampler.suggest(30, rising)


def point(params: Mapping[str, JSONValue]) -> tuple[float, float]:
    x, y = params["x"], params["y"]
    assert isinstance(x, float) and isinstance(y, float)
    return x, y
