"""A search space with other ranges, as charts and advice propose them.

A range is written ``lr:0.001..0.01``, where either end may be missing, and stays as it
was then; or as a JSON list of values, ``optimizer:["sgd", "adamw"]``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.search.fields import (
    DefinitionError,
    Problem,
    is_number,
    shown,
    unknown_name,
)
from experiments.search.space.choice import Choice
from experiments.search.space.continuous import (
    Logarithmic,
    Quantized,
    RealDistribution,
)
from experiments.search.space.distribution import Distribution, identity
from experiments.search.space.ranges import FloatRange, IntegerDistribution
from experiments.search.space.space import SearchSpace

MAX_TEXT = 4000


def with_bounds(space: SearchSpace, texts: Sequence[str]) -> dict[str, Any]:
    """The document of the space with these ranges. Raises DefinitionError."""
    document: dict[str, Any] = dict(space.dump())
    for text in texts:
        name, asked = _parts(text)
        if name not in space.parameters:
            sentence = unknown_name(name, space.parameters, kind="parameter")
            raise DefinitionError([Problem("bounds", sentence)])
        mapping = _bounded(text, space.parameters[name], asked)
        when = document[name].get("when")
        document[name] = mapping if when is None else {**mapping, "when": when}
    return _reachable(document)


def _reachable(document: dict[str, Any]) -> dict[str, Any]:
    """Without the parameters whose condition can no longer hold, and without values in
    conditions that are no longer in the space."""
    for name, mapping in document.items():
        when = mapping.get("when", {})
        kept = {parent: _left(document, parent, when[parent]) for parent in when}
        if not all(kept.values()):
            return _reachable({n: m for n, m in document.items() if n != name})
        if when:
            document[name] = {**mapping, "when": kept}
    return document


def _left(document: dict[str, Any], parent: str, wanted: Sequence[Any]) -> list[Any]:
    if parent not in document and "." not in parent:
        return []
    values = document.get(parent, {}).get("values")
    if values is None:
        return list(wanted)
    there = set(map(identity, values))
    return [value for value in wanted if identity(value) in there]


def _parts(text: str) -> tuple[str, str]:
    listed = text.find(":[")
    at = listed if listed > 0 else text.rfind(":")
    if at <= 0 or len(text) > MAX_TEXT:
        raise _wrong(text)
    return text[:at], text[at + 1 :]


def _bounded(text: str, old: Distribution, asked: str) -> dict[str, Any]:
    if asked.startswith("["):
        return _choice(text, old, asked)
    low, dots, high = asked.partition("..")
    if not dots or not (low or high):
        raise _wrong(text)
    ends = _end(text, low, -math.inf), _end(text, high, math.inf)
    if isinstance(old, Choice):
        kept = [value for value in old.distinct if _is_within(value, ends)]
        return {"type": "choice", "values": kept}
    return _range(text, old, ends)


def _is_within(value: object, ends: tuple[float, float]) -> bool:
    return is_number(value) and ends[0] <= value <= ends[1]


def _choice(text: str, old: Distribution, asked: str) -> dict[str, Any]:
    try:
        values = json.loads(asked)
    except (ValueError, RecursionError) as error:
        raise _wrong(text) from error
    if isinstance(old, Choice) and old.branches:
        raise _unfit(text)
    return {"type": "choice", "values": values}


def _range(text: str, old: Distribution, asked: tuple[float, float]) -> dict[str, Any]:
    """In natural units, except for quantized logarithmic kinds."""
    if isinstance(old, IntegerDistribution):
        return _whole(old, asked)
    if isinstance(old, FloatRange):
        own, step = (old.low, old.high), old.step
    elif isinstance(old, RealDistribution):
        own = (old.variable.low, old.variable.high)
        step = old.q if isinstance(old, Quantized) else None
    else:
        raise _unfit(text)
    low, high = (
        before if math.isinf(new) else new
        for new, before in zip(asked, own, strict=True)
    )
    is_usual = math.isfinite(low) and math.isfinite(high)
    if not is_usual or (old.is_logarithmic and low <= 0):
        raise _unfit(text)
    if isinstance(old, Quantized) and isinstance(old, Logarithmic):
        ends = (math.log(end) / math.log(old.base) for end in (low, high))
        names = ("min_value", "max_value")
        return {"type": "qloguniform", **dict(zip(names, ends, strict=True)), "q": step}
    if step:
        low, high = math.ceil(low / step) * step, math.floor(high / step) * step
    stepped = {"step": step} if step else {}
    log = {"log": True} if old.is_logarithmic else {}
    return {"type": "float", "low": low, "high": high, **stepped, **log}


def _whole(old: IntegerDistribution, asked: tuple[float, float]) -> dict[str, Any]:
    numbers = old.numbers
    low = numbers[0] if math.isinf(asked[0]) else math.ceil(asked[0])
    high = numbers[-1] if math.isinf(asked[1]) else math.floor(asked[1])
    log = {"log": True} if old.is_logarithmic else {}
    step = {"step": numbers.step} if numbers.step != 1 else {}
    return {"type": "int", "low": low, "high": high, **step, **log}


def _end(text: str, written: str, missing: float) -> float:
    if not written:
        return missing
    try:
        end = float(written)
    except ValueError as error:
        raise _wrong(text) from error
    if not math.isfinite(end):
        raise _wrong(text)
    return end


def _wrong(text: str) -> DefinitionError:
    sentence = (
        f"bounds {shown(text)} must be a parameter, a colon, and LOW..HIGH or a JSON"
        ' list, such as lr:0.001..0.01 or optimizer:["sgd"].'
    )
    return DefinitionError([Problem("bounds", sentence)])


def _unfit(text: str) -> DefinitionError:
    sentence = f"bounds {shown(text)}: this kind of parameter cannot have such bounds."
    return DefinitionError([Problem("bounds", sentence)])


# --- the other way round -------------------------------------------------------------


def box_of(
    space: SearchSpace, configurations: Iterable[Mapping[str, Any]]
) -> list[str]:
    """The ranges inside which the configurations are, as `with_bounds` takes them."""
    listed = list(configurations)
    columns = {
        name: [params[name] for params in listed if name in params]
        for name in space.parameters
    }
    return [
        text
        for name, law in space.parameters.items()
        if (text := _box_text(name, law, columns[name]))
    ]


def _box_text(name: str, law: Distribution, values: Sequence[Any]) -> str:
    """Empty where the values leave the range as it is."""
    if isinstance(law, Choice):
        used = set(map(identity, values))
        kept = [value for value in law.distinct if identity(value) in used]
        whole = law.branches or not kept or len(kept) == len(law.distinct)
        return "" if whole else f"{name}:{json.dumps(kept)}"
    numbers = [float(f"{value:.4g}") for value in values if is_number(value)]
    if not numbers:
        return ""
    if min(numbers) == max(numbers):
        return f"{name}:{json.dumps([values[0]])}"
    return f"{name}:{min(numbers)!r}..{max(numbers)!r}"
