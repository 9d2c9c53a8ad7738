"""The conditions of a filter that are joined by `and`: chips on a page, and ranges on
the axes of charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from experiments.search.filters.fields import FilterField
from experiments.search.filters.lexer import FilterWord, Lexeme
from experiments.search.records import JSONValue

QUANTITIES = frozenset({Lexeme.NUMBER, Lexeme.DURATION, Lexeme.MOMENT})
VALUES = QUANTITIES | {Lexeme.TEXT, Lexeme.WORD, Lexeme.CONSTANT}
TURNED: Mapping[str, str] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}
CONSTANTS: Mapping[str, JSONValue] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True)
class FilterCondition:
    """`kind`: range, values, not_set or other. `without`: the filter without it.

    An end of a range that is open does not belong to it.
    """

    text: str
    start: int
    end: int
    kind: str = "other"
    field: FilterField | None = None
    low: float | None = None
    low_open: bool = False
    high: float | None = None
    high_open: bool = False
    values: tuple[JSONValue, ...] = ()
    without: str = ""
    has_or: bool = False

    @property
    def joined(self) -> str:
        """The text to write beside other conditions."""
        return f"({self.text})" if self.has_or else self.text


def conditions_of(
    text: str, words: Sequence[FilterWord]
) -> tuple[FilterCondition, ...]:
    """Two bounds of one number are one condition."""
    parts = [_condition(text, part) for part in _parts(words)]
    groups: list[list[FilterCondition]] = []
    for part in parts:
        fitting = (g for g in groups if len(g) == 1 and _complete(g[0], part))
        group = next(fitting, None)
        if group is None:
            groups.append([part])
        else:
            group.append(part)
    return tuple(
        replace(_together(group), without=_joined(parts, but=group)) for group in groups
    )


def _joined(parts: Iterable[FilterCondition], *, but: Sequence[FilterCondition]) -> str:
    return " and ".join(part.text for part in parts if part not in but)


def _parts(words: Sequence[FilterWord]) -> list[list[FilterWord]]:
    """The words between each `and` outside brackets; all if there is an `or`."""
    joints = _outer_joints(words)
    if "or" in joints.values():
        return [list(words)]
    parts: list[list[FilterWord]] = [[]]
    for word in words:
        if word.start in joints:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _outer_joints(words: Sequence[FilterWord]) -> dict[int, str]:
    """Each `and` and `or` outside brackets, by its place."""
    found: dict[int, str] = {}
    depth = 0
    for word in words:
        depth += (word.lexeme == Lexeme.OPEN) - (word.lexeme == Lexeme.CLOSE)
        if word.lexeme == Lexeme.JOINT and depth == 0:
            found[word.start] = word.python
    return found


def _condition(text: str, words: Sequence[FilterWord]) -> FilterCondition:
    start, end = words[0].start, words[-1].end
    has_or = "or" in _outer_joints(words).values()
    found = FilterCondition(text[start:end], start, end, has_or=has_or)
    operands = _with_texts(_signed(words))
    match [word.lexeme for word in operands]:
        case [Lexeme.FIELD, Lexeme.COMPARE, last] if last in VALUES:
            return _compared(found, operands[0], operands[1].python, operands[2])
        case [first, Lexeme.COMPARE, Lexeme.FIELD] if first in QUANTITIES:
            sign = TURNED.get(operands[1].python, "")
            return _compared(found, operands[2], sign, operands[0])
        case [first, Lexeme.COMPARE, Lexeme.FIELD, Lexeme.COMPARE, last] if (
            first in QUANTITIES and last in QUANTITIES
        ):
            sign = TURNED.get(operands[1].python, "")
            low = _compared(found, operands[2], sign, operands[0])
            high = _compared(found, operands[2], operands[3].python, operands[4])
            return _together([low, high]) if _complete(low, high) else found
        case [Lexeme.FUNCTION, Lexeme.OPEN, Lexeme.FIELD, Lexeme.CLOSE]:
            if operands[0].python == "not_set":
                return replace(found, kind="not_set", field=_field(operands[2]))
        case [Lexeme.FIELD, Lexeme.COMPARE, Lexeme.OPEN, *_, Lexeme.CLOSE]:
            return _listed(found, operands)
    return found


def _field(word: FilterWord) -> FilterField | None:
    return word.value if isinstance(word.value, FilterField) else None


def _with_texts(words: Sequence[FilterWord]) -> list[FilterWord]:
    """The words, with a name as text where it is one of a field's values, as in
    ``state = failed``."""
    first = words[0].value if words else None
    values = first.values if isinstance(first, FilterField) else ()
    return [
        replace(word, lexeme=Lexeme.TEXT, value=word.written)
        if place > 1 and word.written in values
        else word
        for place, word in enumerate(words)
    ]


def _signed(words: Sequence[FilterWord]) -> list[FilterWord]:
    """The words, with a sign as part of the number after it."""
    found: list[FilterWord] = []
    for place, word in enumerate(words):
        before = words[place - 2].lexeme if place > 1 else None
        if (
            word.lexeme == Lexeme.NUMBER
            and found
            and found[-1].python == "-"
            and before in (None, Lexeme.COMPARE, Lexeme.OPEN, Lexeme.COMMA)
        ):
            found[-1] = replace(word, python=f"-{word.python}")
        else:
            found.append(word)
    return found


def _value(word: FilterWord) -> JSONValue:
    match word.lexeme:
        case Lexeme.NUMBER:
            number = float(word.python)
            return int(number) if number.is_integer() else number
        case Lexeme.CONSTANT:
            return CONSTANTS[word.python]
    return None if isinstance(word.value, FilterField) else word.value


def _quantity(word: FilterWord) -> float | None:
    value = _value(word)
    is_quantity = word.lexeme in QUANTITIES and isinstance(value, int | float)
    return float(value) if is_quantity and isinstance(value, int | float) else None


def _compared(
    found: FilterCondition, name: FilterWord, sign: str, operand: FilterWord
) -> FilterCondition:
    field, bound = _field(name), _quantity(operand)
    if sign == "==":
        return replace(found, kind="values", field=field, values=(_value(operand),))
    if bound is None or sign not in ("<", "<=", ">", ">="):
        return replace(found, field=field)
    found = replace(found, kind="range", field=field)
    if sign in ("<", "<="):
        return replace(found, high=bound, high_open=sign == "<")
    return replace(found, low=bound, low_open=sign == ">")


def _listed(found: FilterCondition, operands: Sequence[FilterWord]) -> FilterCondition:
    inner = operands[3:-1]
    values, commas = inner[::2], inner[1::2]
    plain = all(word.lexeme in VALUES for word in values)
    if not plain or any(word.lexeme != Lexeme.COMMA for word in commas):
        return found
    if operands[1].python != "in":
        return replace(found, field=_field(operands[0]))
    chosen = tuple(map(_value, values))
    return replace(found, kind="values", field=_field(operands[0]), values=chosen)


def _complete(one: FilterCondition, other: FilterCondition) -> bool:
    """Whether they are the two ends of one range."""
    return (
        one.kind == other.kind == "range"
        and one.field == other.field
        and (one.low is None) == (other.low is not None)
        and (one.high is None) == (other.high is not None)
    )


def _together(group: Sequence[FilterCondition]) -> FilterCondition:
    if len(group) == 1:
        return group[0]
    low, high = sorted(group, key=lambda part: part.low is None)
    text = " and ".join(dict.fromkeys(part.text for part in group))
    return replace(
        group[0],
        text=text,
        end=max(part.end for part in group),
        low=low.low,
        low_open=low.low_open,
        high=high.high,
        high_open=high.high_open,
    )
