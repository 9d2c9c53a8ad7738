"""The differences of two search spaces, and which trials are valid in the new one.

A trial is valid in a new space that could have drawn its values. Values of parameters
that the new space no longer has are ignored: the trial still says something about the
others, with more noise. A trial without a value for a new parameter is not valid,
because its value is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from experiments.search.fields import cut, is_number, shown
from experiments.search.records import JSONValue, Params
from experiments.search.space.choice import Choice
from experiments.search.space.conditions import dump_condition
from experiments.search.space.continuous import GaussianDistribution
from experiments.search.space.distribution import Distribution
from experiments.search.space.space import SearchSpace
from experiments.search.wording import significant

MAX_CHARACTERS = 120


class ParameterChange(NamedTuple):
    """A parameter before and after, as text; None where it does not exist."""

    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.name}: new, {self.after}"
        if self.after is None:
            return f"{self.name}: removed, was {self.before}"
        return f"{self.name}: {self.before} → {self.after}"


def known_params(space: SearchSpace, params: Params) -> dict[str, JSONValue]:
    """The part of a configuration that the space knows."""
    return {name: value for name, value in params.items() if name in space.parameters}


def is_valid_in(space: SearchSpace, params: Params) -> bool:
    """Whether the space could have drawn what it knows of the configuration."""
    return space.contains(known_params(space, params))


def space_changes(old: SearchSpace, new: SearchSpace) -> list[ParameterChange]:
    """Every parameter that differs, then the constraints added or removed."""
    before, after = old.dump(), new.dump()
    names = [*after, *(name for name in before if name not in after)]
    found = [
        _change(old, new, name) for name in names if before.get(name) != after.get(name)
    ]
    return [*found, *_rule_changes(old, new)]


def _change(old: SearchSpace, new: SearchSpace, name: str) -> ParameterChange:
    before = parameter_text(old, name) if name in old.parameters else None
    after = parameter_text(new, name) if name in new.parameters else None
    if before == after:
        # The texts leave out what differs, such as the weights of a choice.
        before, after = (
            shown(space.dump()[name], most=MAX_CHARACTERS) for space in (old, new)
        )
    return ParameterChange(name, before, after)


def _rule_changes(old: SearchSpace, new: SearchSpace) -> Iterator[ParameterChange]:
    before = [rule.text for rule in old.constraints]
    after = [rule.text for rule in new.constraints]
    for text in after:
        if text not in before:
            yield ParameterChange("constraints", None, text)
    for text in before:
        if text not in after:
            yield ParameterChange("constraints", text, None)


def parameter_text(space: SearchSpace, name: str) -> str:
    """A parameter's distribution and condition: `loguniform 0.0001 to 0.1`."""
    words = distribution_text(space.parameters[name])
    condition = space.conditions.get(name)
    if condition is None:
        return words
    return f"{words}, when {shown(dump_condition(condition), most=MAX_CHARACTERS)}"


def distribution_text(distribution: Distribution) -> str:
    """The kind and the values of a distribution in a few words, in natural units."""
    if isinstance(distribution, Choice):
        values = ", ".join(_text(value) for value in distribution.distinct)
        return cut(f"choice of {values}", most=MAX_CHARACTERS)
    step = getattr(distribution, "q", None) or getattr(distribution, "step", None)
    steps = f", step {significant(step)}" if step and step != 1 else ""
    ends = distribution.quantile(0.0), distribution.quantile(1.0)
    bounded = not isinstance(distribution, GaussianDistribution)
    if bounded and all(map(is_number, ends)):
        low, high = (significant(float(str(end))) for end in ends)
        return f"{distribution.kind} {low} to {high}{steps}"
    given = distribution.dump()
    arguments = [
        f"{key} {_text(value)}" for key, value in given.items() if key != "type"
    ]
    return cut(f"{distribution.kind} with {', '.join(arguments)}", most=MAX_CHARACTERS)


def _text(value: JSONValue) -> str:
    return value if isinstance(value, str) else shown(value)
