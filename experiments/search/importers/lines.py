"""The line of every field of a YAML or JSON text, found before anything is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from experiments.search.loading import DEEPEST, MOST_CHARACTERS
from experiments.search.problems import DefinitionError, Problem, join

# Of settings; a document with code in it has few and long values.
MOST_VALUES = 40_000
LONGEST_PATH, LONGEST_KEY = 1_000, 200

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def place(path: str, key: str | int) -> str:
    """The path of a key; those that are absurdly long are cut."""
    if len(path) > LONGEST_PATH:
        return path
    return join(path, key if isinstance(key, int) else key[:LONGEST_KEY])


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
    if len(text) > MOST_CHARACTERS:
        raise _refusal(f"A document may have {MOST_CHARACTERS:,} characters.")
    try:
        for event in _events(text):
            walk.follow(event)
            if walk.values > MOST_VALUES:
                raise _refusal(f"The document holds more than {MOST_VALUES:,} values.")
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
