"""Sweep documents as text: YAML or JSON, safe and with limits.

YAML is read by version 1.2's rules for plain scalars: `1e-4` is a number, `no` and `on`
are text, and so is a date. There are no merge keys (`<<`).
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from experiments.search.fields import DefinitionError, Problem, join, shown

MAX_CHARACTERS = 4_000_000
MAX_VALUES = 100_000
# The YAML parser reads this many in half a second.
MAX_YAML_VALUES = 40_000
MAX_ALIASES = 200
MAX_DEPTH = 40
# Problems of texts that cannot be stored; the first ones are enough.
MAX_REFUSED = 20
MAX_NUMBER_LENGTH = 400
QUOTED = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)

# The C parser, if installed, is about ten times as fast.
BASE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(BASE_LOADER):  # type: ignore[misc]
    """Builds mappings, lists and the scalars of JSON; any other tag is an error."""


_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {}
_TAG = "tag:yaml.org,2002:"


def load_document(text: str) -> Mapping[str, object]:
    """The mapping of a YAML or JSON text. Raises DefinitionError.

    YAML may have up to MAX_YAML_VALUES keys and values, JSON up to MAX_VALUES. A text
    with more is refused before it is read to its end.
    """
    if len(text) > MAX_CHARACTERS:
        raise refusal(
            f"The document has {len(text):,} characters; up to {MAX_CHARACTERS:,} are "
            "allowed. Code belongs in a folder or an upload."
        )
    try:
        value = _load(text)
    except RecursionError:
        raise refusal(
            f"The document is nested deeper than {MAX_DEPTH} levels."
        ) from None
    return checked_document(value)


def checked_document(value: object) -> Mapping[str, object]:
    """A mapping of JSON values, of a reasonable size and depth.

    Raises DefinitionError for any other value.
    """
    document, refused = storable_document(value)
    if refused:
        raise DefinitionError(refused)
    return document


def storable_document(
    value: object,
) -> tuple[Mapping[str, object], Sequence[Problem]]:
    """The same, but without the characters that cannot be stored, and where they are.

    So the rest of a document can be checked too.
    """
    if not isinstance(value, Mapping):
        raise refusal(f"The document must be a mapping of fields, not {shown(value)}.")
    measure = _Measure()
    measure.of(value, 0)
    if not measure.refused:
        return value, ()
    return {str(key): _storable(part) for key, part in value.items()}, measure.refused


def _storable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_storable(key): _storable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_storable(part) for part in value]
    if not isinstance(value, str):
        return value
    return value.replace("\0", "").encode(errors="replace").decode()


def _load(text: str) -> Any:
    if text.lstrip()[:1] in ("{", "[") and _is_short(text):
        try:
            return json.loads(text, object_pairs_hook=_unique, parse_int=_integer)
        except json.JSONDecodeError:
            pass  # YAML's flow style also begins with a bracket.
    try:
        _check_events(text)
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise refusal(_placed(error)) from None
    except (yaml.YAMLError, UnicodeError) as error:
        message = str(error).splitlines()[0]
        raise refusal(f"The document cannot be read: {message}.") from None


def _check_events(text: str) -> None:
    """Refuse a text that is too large or too deep, or has too many aliases."""
    depth = aliases = values = 0
    for event in yaml.parse(text, Loader=BASE_LOADER):
        values += isinstance(event, yaml.NodeEvent)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH:
            raise refusal(f"The document is nested deeper than {MAX_DEPTH} levels.")
        if aliases > MAX_ALIASES:
            raise refusal(f"The document has more than {MAX_ALIASES} aliases.")
        if values > MAX_YAML_VALUES:
            raise _too_many(MAX_YAML_VALUES)


def _is_short(text: str) -> bool:
    """Whether a text has few enough values to build it, if it is JSON."""
    opened, parted = text.count("[") + text.count("{"), text.count(",")
    if max(opened, parted) > MAX_VALUES:
        # Those of code, in quotes, do not count.
        bare = QUOTED.sub("", text)
        opened, parted = bare.count("[") + bare.count("{"), bare.count(",")
    return max(opened, parted) <= MAX_VALUES


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        names = Counter(name for name, _ in pairs)
        twice = next(name for name, number in names.items() if number > 1)
        raise refusal(f"The field {shown(twice)} is given twice.")
    return mapping


@dataclass
class _Measure:
    """Measures a value; what YAML aliases share is read once, but counts each time."""

    seen: int = 0
    known: dict[int, tuple[int, int]] = field(default_factory=dict)
    refused: list[Problem] = field(default_factory=list)

    def of(self, value: object, depth: int, path: str = "") -> tuple[int, int]:
        """How many values a value contains, and how deep it is."""
        if not isinstance(value, Mapping | list):
            self._check_scalar(value, path)
            return 1, 0
        size, height = self.known.get(id(value), (0, 0))
        if depth + height > MAX_DEPTH:
            raise refusal(f"The document is nested deeper than {MAX_DEPTH} levels.")
        if size:
            return size, height
        self.seen += 1 + len(value)
        if self.seen > 2 * MAX_VALUES:
            # A mapping in a list has been counted twice.
            raise _too_many(MAX_VALUES)
        size, height = self._inside(value, depth, path)
        if size > MAX_VALUES:
            raise _too_many(MAX_VALUES)
        self.known[id(value)] = size, height
        return size, height

    def _inside(
        self, value: Mapping[object, object] | list[object], depth: int, path: str
    ) -> tuple[int, int]:
        for key in value if isinstance(value, Mapping) else ():
            if not isinstance(key, str):
                raise refusal(f"Field names must be text; {shown(key)} needs quotes.")
            self._check_scalar(key, path)
        parts = value.items() if isinstance(value, Mapping) else enumerate(value)
        measures = [
            self.of(part, depth + 1, join(path, str(key))) for key, part in parts
        ]
        size = 1 + sum(measure[0] for measure in measures)
        return size, 1 + max((measure[1] for measure in measures), default=0)

    def _check_scalar(self, value: object, path: str) -> None:
        if isinstance(value, str):
            if "\0" in value or not (value.isascii() or _is_utf8(value)):
                words = (
                    "Text must not contain the character NUL or half of a surrogate "
                    f"pair, as {shown(value)} does."
                )
                if len(self.refused) < MAX_REFUSED:
                    self.refused.append(Problem(path, words))
        elif value is not None and not isinstance(value, bool | int | float):
            raise refusal(
                f"The document may contain only JSON values, not {shown(value)}."
            )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _integer(text: str) -> int | float:
    # Longer numbers are never valid, and take long to read.
    return int(text, 10) if len(text) <= MAX_NUMBER_LENGTH else math.inf


def refusal(message: str) -> DefinitionError:
    return DefinitionError([Problem("", message)])


def _too_many(most: int) -> DefinitionError:
    return refusal(
        f"The document has more than {most:,} values, counting each alias. Code counts "
        "as one value, however long it is."
    )


def _placed(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"Line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    what = ", ".join(filter(None, (error.context, error.problem)))
    return f"{place}{what[:1].upper()}{what[1:]}."


def _construct_mapping(loader: Any, node: Any) -> Any:
    if not isinstance(node, yaml.MappingNode):
        raise yaml.constructor.ConstructorError(
            None, None, "a mapping is expected here", node.start_mark
        )
    mapping: dict[object, object] = {}
    yield mapping
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str) or key in mapping:
            fault = "is given twice" if isinstance(key, str) else "is not text"
            raise yaml.constructor.ConstructorError(
                None, None, f"the field {shown(key)} {fault}", key_node.start_mark
            )
        mapping[key] = loader.construct_object(value_node, deep=True)


def _construct_int(loader: Any, node: Any) -> int | float:
    text = loader.construct_scalar(node)
    if text.startswith(("0o", "0x")) and len(text) <= MAX_NUMBER_LENGTH:
        return int(text, 0)
    return _integer(text)


def _construct_float(loader: Any, node: Any) -> float:
    text = loader.construct_scalar(node).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


def _construct_bool(loader: Any, node: Any) -> bool:
    return bool(loader.construct_scalar(node).lower() == "true")


_DIGIT = list("-+0123456789")
for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _DIGIT),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        [*_DIGIT, "."],
    ),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern})$"), _first)
for _name, _construct in (
    ("null", lambda loader, node: None),
    ("bool", _construct_bool),
    ("int", _construct_int),
    ("float", _construct_float),
    ("str", lambda loader, node: loader.construct_scalar(node)),
    ("seq", yaml.SafeLoader.construct_yaml_seq),
    ("map", _construct_mapping),
):
    _Loader.add_constructor(_TAG + _name, _construct)
_Loader.add_constructor(None, yaml.SafeLoader.construct_undefined)
