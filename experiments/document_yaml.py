"""A sweep document as YAML text that reads back as the same document, and the line of
every field in such a text."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from experiments.search.importers.exporters.yaml_text import Dumper
from experiments.search.problems import join

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
