"""Values that a person enters for one trial: read, checked, and as text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.search.fields import (
    DefinitionError,
    Problem,
    is_number,
    join,
    listed,
    shown,
    unknown_name,
)
from experiments.search.records import JSONValue, Params
from experiments.search.space.choice import Choice
from experiments.search.space.conditions import Axis
from experiments.search.space.distribution import (
    KINDS,
    Distribution,
    kind_of,
    value_problem,
)
from experiments.search.space.space import SearchSpace
from experiments.search.space.terms import equal

FIELD = "params"
# Beyond this a float does not hold every whole number.
MAX_EXACT_INTEGER = 2**53


@dataclass(frozen=True)
class CheckedParams:
    """Checked values in the order of the space; `outside` are sentences about those
    that the space could not have drawn."""

    params: Mapping[str, JSONValue]
    outside: tuple[str, ...] = ()


def read_params(space: SearchSpace, params: Mapping[str, object]) -> CheckedParams:
    """A configuration of the space's parameters, each value of its parameter's kind.

    Values outside a range and unlisted choices are allowed, but samplers do not learn
    from them. Raises DefinitionError with every problem, by name.
    """
    problems = [
        Problem(
            join(FIELD, name), unknown_name(name, space.parameters, kind="parameter")
        )
        for name in params
        if name not in space.parameters
    ]
    values: dict[str, JSONValue] = {}
    for name, distribution in space.parameters.items():
        if name not in params:
            continue
        sentence = kind_problem(name, distribution, params[name])
        if sentence:
            problems.append(Problem(join(FIELD, name), sentence))
        else:
            values[name] = _converted(distribution, params[name])
    problems += _activity(space, values, set(params))
    if problems:
        raise DefinitionError(problems)
    return CheckedParams(values, tuple(outside(space, values)))


def outside(space: SearchSpace, params: Params) -> Iterator[str]:
    """Sentences about the values that the space could not have drawn."""
    values_of_params = space.layout.values_of_params(params)
    for name in params:
        if name in space.parameters and name not in values_of_params:
            allowed = allowed_words(space.parameters[name])
            yield f"{name} is {shown(params[name])}; the search space has {allowed}."
    for constraint in space.constraints:
        if not constraint.meets(params):
            yield f"The constraint {constraint.text} is not met."


def allowed_words(distribution: Distribution) -> str:
    """``whole numbers from 1 to 9``, or the values of a choice."""
    if isinstance(distribution, Choice):
        return listed([shown(value) for value in distribution.distinct], last="and")
    kind = "whole numbers" if is_whole(distribution) else "numbers"
    step = getattr(distribution, "q", None)
    steps = f" in steps of {step:g}" if step not in (None, 1) else ""
    ends = [distribution.quantile(share) for share in (0.0, 1.0)]
    if not all(is_number(end) and math.isfinite(end) for end in ends):
        return f"{kind}{steps}"
    low, high = (json.dumps(end) for end in ends)
    return f"{kind} from {low} to {high}{steps}"


def kind_problem(name: str, distribution: Distribution, value: object) -> str | None:
    """Why a value is not of a parameter's kind, in any range; None if it is."""
    if isinstance(distribution, Choice):
        return _choice_problem(name, distribution, value)
    kind = "a whole number" if is_whole(distribution) else "a number"
    sentence = (
        f"{name} must be {kind}, such as {_example(distribution)}, not {shown(value)}."
    )
    if not is_number(value):
        return sentence
    whole = float(value).is_integer() and abs(value) <= MAX_EXACT_INTEGER
    return None if whole or not is_whole(distribution) else sentence


def is_whole(distribution: Distribution) -> bool:
    """Whether all values are whole numbers."""
    return isinstance(distribution.quantile(0.5), int)


def kinds_of(distribution: Choice) -> list[str]:
    """The JSON kinds of a choice's values, in the order in which they appear."""
    return list(dict.fromkeys(map(kind_of, distribution.distinct)))


def _choice_problem(name: str, distribution: Choice, value: object) -> str | None:
    if value_problem(value):
        return f"{name}: {value_problem(value)}"
    allowed = kinds_of(distribution)
    if kind_of(value) not in allowed:
        kinds = listed([KINDS[kind] for kind in allowed], last="or")
        return f"{name} must be {kinds}, not {shown(value)}."
    return None


def _converted(distribution: Distribution, value: object) -> JSONValue:
    """A number of the parameter's type: 3 and 3.0 are one value to people."""
    if isinstance(distribution, Choice):
        found = (each for each in distribution.distinct if equal(each, value))
        other: Any = value
        return next(found, other)
    number = float(value)  # type: ignore[arg-type]
    return int(number) if is_whole(distribution) else number


def _example(distribution: Distribution) -> str:
    return json.dumps(distribution.quantile(0.5))


def _activity(space: SearchSpace, values: Params, given: set[str]) -> Iterator[Problem]:
    """Active parameters without a value, and inactive ones with a value.

    A parameter that depends on a value outside the space may have a value or not.
    """
    values_of_params = space.layout.values_of_params(values)
    for name in space.parameters:
        axis = space.layout.axes[name]
        if _depends_on_outside(space, axis, values_of_params, given):
            continue
        active = space.layout.is_active(axis, values_of_params)
        if active and name not in given:
            sentence = f"{name} has no value. Give it one."
            yield Problem(join(FIELD, name), sentence)
        elif name in given and not active:
            sentence = (
                f"{name} has a value only when {space.when(name)}. Leave it out, or "
                "change what it depends on."
            )
            yield Problem(join(FIELD, name), sentence)
        if (
            name in values
            and isinstance(values[name], dict)
            and name not in values_of_params
        ):
            yield Problem(join(FIELD, name), _branch_problem(space, name, values[name]))


def _branch_problem(space: SearchSpace, name: str, value: object) -> str:
    allowed = shown(space.parameters[name].dump(), most=300)
    return f"{name} is {shown(value)}, which is not one of its branches: {allowed}."


def _depends_on_outside(
    space: SearchSpace, axis: Axis, values_of_params: Params, given: set[str]
) -> bool:
    names = {gate.axis for gate in axis.gates}
    return any(
        (name in given and name not in values_of_params)
        or _depends_on_outside(space, space.layout.axes[name], values_of_params, given)
        for name in names
    )


# People do not type longer numbers.
MAX_TEXT_LENGTH = 10_000


def values_of(space: SearchSpace, texts: Mapping[str, str]) -> dict[str, object]:
    """The values of the texts that people typed; an empty text gives none.

    A text that is not of its parameter's kind stays text, which `read_params` refuses.
    """
    return {
        name: _value(distribution, texts[name])
        for name, distribution in space.parameters.items()
        if texts.get(name, "").strip()
    }


def text_of(value: object) -> str:
    """What to type for a value: text as it is, anything else as JSON."""
    if isinstance(value, str) and value.strip():
        return value
    return json.dumps(value, ensure_ascii=False)


def _value(distribution: Distribution, text: str) -> object:
    plain = text.strip()
    if isinstance(distribution, Choice):
        return _choice_value(distribution, text)
    found = _read(plain)
    return found if kind_of(found) == "number" else plain


def _choice_value(distribution: Choice, text: str) -> object:
    """A listed value first, then any value of one of the choice's kinds."""
    for value in distribution.distinct:
        if text_of(value) in {text, text.strip()}:
            return value
    found = _read(text.strip())
    if kind_of(found) in kinds_of(distribution) and not kind_problem(
        "", distribution, found
    ):
        return found
    return text.strip()


def _read(text: str) -> object:
    """The text as JSON, or as a number in any usual form; else the text itself."""
    if len(text) > MAX_TEXT_LENGTH:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return float(text.replace("\u2212", "-"))
    except ValueError:
        return text
