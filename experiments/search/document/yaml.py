"""Documents as YAML text that reads back as the same document, and the lines of fields.

The text is the same for readers of YAML 1.1 and 1.2.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from experiments.search.document.loading import (
    BASE_LOADER,
    MAX_CHARACTERS,
    MAX_DEPTH,
    refusal,
)
from experiments.search.fields import join

TEXT_WIDTH = 88
# YAML 1.2 has more numbers than 1.1, which the writer knows. Text that looks like them
# also needs quotes.
NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
OCTAL = re.compile(r"0o[0-7]+$")


class Dumper(yaml.SafeDumper):
    """Quotes text that either version of YAML would read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


Dumper.yaml_implicit_resolvers = {
    letter: list(resolvers)
    for letter, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
}
Dumper.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))
Dumper.add_implicit_resolver("tag:yaml.org,2002:int", OCTAL, ["0"])


def as_yaml(document: Mapping[str, Any]) -> str:
    """The document in block style, with its keys in their order."""
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
# Fields of the top level and the level below have their own lines.
BLOCK_DEPTH = 2
# Of settings: a document with code in it has few and long values.
MAX_VALUES = 40_000
MAX_PATH_LENGTH, MAX_KEY_LENGTH = 1_000, 200


class _Dumper(Dumper):
    """Writes text of several lines, and numbers, as people do."""


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
    """The document as YAML: the upper levels on lines, deeper ones in braces."""
    node = _Dumper(io.StringIO(), sort_keys=False).represent_data(dict(document))
    _set_style(node, 0)
    text: str = yaml.serialize(
        node, Dumper=_Dumper, width=width, allow_unicode=True, explicit_start=False
    )
    return text


def line_text(value: Any) -> str:
    """A value as YAML on one line, for use inside a document."""
    node = _Dumper(io.StringIO(), sort_keys=False).represent_data(value)
    _set_style(node, BLOCK_DEPTH)
    text: str = yaml.serialize(node, Dumper=_Dumper, width=math.inf, allow_unicode=True)
    return text.removesuffix("...\n").rstrip("\n")


def lines_by_path(text: str) -> dict[str, int]:
    """The line, from 1, of every field of a text that `load_document` can read."""
    try:
        root = yaml.compose(text, Loader=BASE_LOADER)
    except yaml.YAMLError:
        return {}
    return dict(_lines(root, "")) if root is not None else {}


def _lines(node: yaml.Node, path: str) -> Iterator[tuple[str, int]]:
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        inner = join(path, str(key.value))
        yield inner, key.start_mark.line + 1
        yield from _lines(value, inner)


def line_of(path: str, lines: Mapping[str, int]) -> int | None:
    """The line of a field, or of the innermost field around it that has one."""
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


def place(path: str, key: str | int) -> str:
    """The path of a key; very long ones are cut."""
    if len(path) > MAX_PATH_LENGTH:
        return path
    return join(path, key if isinstance(key, int) else key[:MAX_KEY_LENGTH])


@dataclass
class _Frame:
    """A mapping or list that is open: its path, and the place in it."""

    path: str
    is_mapping: bool
    count: int = 0
    key: str | None = None

    def next_path(self) -> str:
        """The path of the next value."""
        return place(self.path, self.count if self.key is None else self.key)


@dataclass
class _LineRecorder:
    """Records the line of every field while it follows a parser's events."""

    lines: dict[str, int] = field(default_factory=dict)
    frames: list[_Frame] = field(default_factory=list)
    values: int = 0

    def follow(self, event: Any) -> None:
        if isinstance(event, yaml.CollectionEndEvent):
            self.frames.pop()
            self._end_value()
        elif isinstance(event, yaml.NodeEvent):
            self._node(event)

    def _node(self, event: Any) -> None:
        self.values += 1
        top = self.frames[-1] if self.frames else None
        if top and top.is_mapping and top.key is None:
            self._key(top, event)
            return
        path = top.next_path() if top else ""
        self.lines.setdefault(path, event.start_mark.line + 1)
        if isinstance(event, yaml.CollectionStartEvent):
            mapping = isinstance(event, yaml.MappingStartEvent)
            self.frames.append(_Frame(path, mapping))
        else:
            self._end_value()

    def _key(self, top: _Frame, event: Any) -> None:
        top.key = str(getattr(event, "value", "?"))
        self.lines[top.next_path()] = event.start_mark.line + 1
        if isinstance(event, yaml.CollectionStartEvent):
            # `load_document` refuses keys that are not text.
            raise yaml.YAMLError("A key must be text.")

    def _end_value(self) -> None:
        if self.frames:
            self.frames[-1].count += 1
            self.frames[-1].key = None


def lines_of(text: str) -> Mapping[str, int]:
    """The line, from 1, of every field and list entry; empty for text that is not YAML.

    Raises DefinitionError for a text that is too large or too deep.
    """
    recorder = _LineRecorder()
    if len(text) > MAX_CHARACTERS:
        raise refusal(f"A document may have {MAX_CHARACTERS:,} characters.")
    try:
        for event in yaml.parse(text, Loader=BASE_LOADER):
            recorder.follow(event)
            if recorder.values > MAX_VALUES:
                raise refusal(f"The document has more than {MAX_VALUES:,} values.")
            if len(recorder.frames) > MAX_DEPTH:
                raise refusal(f"The document is nested deeper than {MAX_DEPTH} levels.")
    except (yaml.YAMLError, UnicodeError):
        # `load_document` says what is wrong with it.
        pass
    return recorder.lines
