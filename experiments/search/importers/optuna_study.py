"""An Optuna study, whatever it was read from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from experiments.search.problems import join
from experiments.search.records import JSONValue


@dataclass
class StudyTrial:
    """One trial as Optuna has it: its state in capitals, its values by name.

    `place` is the path of its distributions; empty for that of the study.
    """

    state: str
    params: dict[str, JSONValue]
    values: list[float] = field(default_factory=list)
    distributions: dict[str, object] = field(default_factory=dict)
    place: str = ""


@dataclass
class OptunaStudy:
    """A study without the storage that it came from.

    `place` is the path of its distributions.
    """

    name: str = ""
    directions: list[str] = field(default_factory=list)
    metric: str = ""
    trials: list[StudyTrial] = field(default_factory=list)
    distributions: dict[str, object] = field(default_factory=dict)
    place: str = "distributions"
    tags: dict[str, JSONValue] = field(default_factory=dict)
    sampling: dict[str, JSONValue] = field(default_factory=dict)
    policy: dict[str, JSONValue] = field(default_factory=dict)

    def given(self) -> Iterator[tuple[str, str, object]]:
        """Every distribution: the parameter's name, its path, and itself."""
        for name, value in self.distributions.items():
            yield name, join(self.place, name), value
        for trial in self.trials:
            for name, value in trial.distributions.items():
                yield name, join(trial.place or self.place, name), value

    def origins(self) -> dict[str, tuple[str, object]]:
        """Where each parameter's first distribution stands."""
        origins: dict[str, tuple[str, object]] = {}
        for name, path, value in self.given():
            origins.setdefault(name, (path, value))
        return origins
