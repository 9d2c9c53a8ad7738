"""A sweep document as YAML text that reads back as the same document, and the line of
every field in such a text.

The line of every field of a YAML or JSON text, found before anything is built.

Documents of other systems as YAML that every reader takes for the same values.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from experiments.search.document.loading import DEEPEST, MAX_CHARACTERS
from experiments.search.fields import DefinitionError, Problem, join

TEXT_WIDTH = 88
# YAML 1.1, which the writer knows, has fewer numbers than 1.2: text that looks like one
# of the others needs quotes, too.
NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
OCTAL = re.compile(r"0o[0-7]+$")


class Dumper(yaml.SafeDumper):
    """Quotes whatever either version of YAML takes for something other than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


Dumper.yaml_implicit_resolvers = {
    letter: list(resolvers)
    for letter, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
}
Dumper.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))
Dumper.add_implicit_resolver("tag:yaml.org,2002:int", OCTAL, ["0"])


def as_yaml(document: Mapping[str, Any]) -> str:
    """The document in block style, its keys in the order that they have."""
    text: str = yaml.dump(
        dict(document),
        Dumper=Dumper,
        sort_keys=False,
        width=TEXT_WIDTH,
        allow_unicode=True,
        default_flow_style=False,
    )
    return text


WIDTH = 42
# The top level and what is directly below stand on lines of their own.
BLOCK_DEPTH = 2


# The C parser where it was built, which is about eight times as fast.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Dumper(Dumper):
    """Text of several lines and numbers as people write them."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    if not text.replace("\n", "").isprintable():
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_float(dumper: yaml.SafeDumper, number: float) -> yaml.ScalarNode:
    text = repr(number)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)


def yaml_text(document: Mapping[str, Any], *, width: int = WIDTH) -> str:
    """The document as YAML: the upper levels on lines, what is deeper in braces."""
    node = _Dumper(io.StringIO(), sort_keys=False).represent_data(dict(document))
    _set_style(node, 0)
    text: str = yaml.serialize(
        node, Dumper=_Dumper, width=width, allow_unicode=True, explicit_start=False
    )
    return text


def line_text(value: Any) -> str:
    """A value as YAML on one line, to stand inside of a document."""
    node = _Dumper(io.StringIO(), sort_keys=False).represent_data(value)
    _set_style(node, BLOCK_DEPTH)
    text: str = yaml.serialize(node, Dumper=_Dumper, width=math.inf, allow_unicode=True)
    return text.removesuffix("...\n").rstrip("\n")


def lines_by_path(text: str) -> dict[str, int]:
    """The line, from 1, of every field of a text that could be read."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError:
        return {}
    return dict(_lines(root, "")) if root is not None else {}


def line_of(path: str, lines: Mapping[str, int]) -> int | None:
    """The line of a field, or of the innermost one around it that is there."""
    while path:
        if path in lines:
            return lines[path]
        path = path.rpartition(".")[0]
    return None


def _set_style(node: yaml.Node, depth: int) -> None:
    if isinstance(node, yaml.MappingNode):
        node.flow_style = depth >= BLOCK_DEPTH or not node.value
        for _, value in node.value:
            _set_style(value, depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        node.flow_style = True


def _lines(node: yaml.Node, path: str) -> Iterator[tuple[str, int]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        place = join(path, str(key.value))
        yield place, key.start_mark.line + 1
        yield from _lines(value, place)


# Of settings; a document with code in it has few and long values.
MAX_VALUES = 40_000
MAX_PATH_LENGTH, MAX_KEY_LENGTH = 1_000, 200

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def place(path: str, key: str | int) -> str:
    """The path of a key; those that are absurdly long are cut."""
    if len(path) > MAX_PATH_LENGTH:
        return path
    return join(path, key if isinstance(key, int) else key[:MAX_KEY_LENGTH])


@dataclass
class _Frame:
    """One mapping or list that is open: its path, and where in it we are."""

    path: str
    is_mapping: bool
    count: int = 0
    key: str | None = None

    def place(self) -> str:
        """The path of the value that comes next."""
        return place(self.path, self.count if self.key is None else self.key)

    def passed(self) -> None:
        """One value has been read."""
        self.count += 1
        self.key = None


@dataclass
class _Walk:
    lines: dict[str, int] = field(default_factory=dict)
    frames: list[_Frame] = field(default_factory=list)
    values: int = 0

    def follow(self, event: Any) -> None:
        if isinstance(event, yaml.CollectionEndEvent):
            self.frames.pop()
            self._passed()
        elif isinstance(event, yaml.NodeEvent):
            self._node(event)

    def _node(self, event: Any) -> None:
        self.values += 1
        top = self.frames[-1] if self.frames else None
        if top and top.is_mapping and top.key is None:
            self._key(top, event)
            return
        path = top.place() if top else ""
        self.lines.setdefault(path, event.start_mark.line + 1)
        if isinstance(event, yaml.CollectionStartEvent):
            mapping = isinstance(event, yaml.MappingStartEvent)
            self.frames.append(_Frame(path, mapping))
        else:
            self._passed()

    def _key(self, top: _Frame, event: Any) -> None:
        top.key = str(getattr(event, "value", "?"))
        self.lines[top.place()] = event.start_mark.line + 1
        if isinstance(event, yaml.CollectionStartEvent):
            # A key that is no text is refused when the document is built.
            raise yaml.YAMLError("A key must be text.")

    def _passed(self) -> None:
        if self.frames:
            self.frames[-1].passed()


def lines_of(text: str) -> Mapping[str, int]:
    """Field paths to lines from 1; empty for text that is no YAML.

    Raises DefinitionError for what is too large or too deep to be a foreign sweep.
    """
    walk = _Walk()
    if len(text) > MAX_CHARACTERS:
        raise _refusal(f"A document may have {MAX_CHARACTERS:,} characters.")
    try:
        for event in _events(text):
            walk.follow(event)
            if walk.values > MAX_VALUES:
                raise _refusal(f"The document holds more than {MAX_VALUES:,} values.")
            if len(walk.frames) > DEEPEST:
                raise _refusal(f"The document is nested deeper than {DEEPEST} levels.")
    except (yaml.YAMLError, UnicodeError):
        # Whoever builds the document says what is wrong with it.
        pass
    return walk.lines


def _events(text: str) -> Iterator[Any]:
    return iter(yaml.parse(text, Loader=_Base))


def _refusal(message: str) -> DefinitionError:
    return DefinitionError([Problem("", message)])
