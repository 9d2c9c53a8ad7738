"""Values for one trial as texts: what a person types into a field for a parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping

from experiments.search.choice import Choice
from experiments.search.distribution import Distribution
from experiments.search.given import kind_problem, kinds_of
from experiments.search.space import SearchSpace
from experiments.search.values import kind_of

# More digits are no number that anybody types.
LONGEST = 10_000


def values_of(space: SearchSpace, texts: Mapping[str, str]) -> dict[str, object]:
    """The values that the texts stand for; an empty one gives none.

    A text that is no value of its parameter's kind stays text, to be refused by name.
    """
    return {
        name: _value(law, texts[name])
        for name, law in space.parameters.items()
        if texts.get(name, "").strip()
    }


def text_of(value: object) -> str:
    """What to type for a value: texts as they are, all else as JSON."""
    if isinstance(value, str) and value.strip():
        return value
    return json.dumps(value, ensure_ascii=False)


def _value(law: Distribution, text: str) -> object:
    plain = text.strip()
    if isinstance(law, Choice):
        return _choice_value(law, text)
    found = _read(plain)
    return found if kind_of(found) == "number" else plain


def _choice_value(law: Choice, text: str) -> object:
    """A listed value first, then any value of one of the choice's kinds."""
    for value in law.distinct:
        if text_of(value) in {text, text.strip()}:
            return value
    found = _read(text.strip())
    if kind_of(found) in kinds_of(law) and not kind_problem("", law, found):
        return found
    return text.strip()


def _read(text: str) -> object:
    """As JSON, or as a number in any usual spelling; else the text itself."""
    if len(text) > LONGEST:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return float(text.replace("\u2212", "-"))
    except ValueError:
        return text
