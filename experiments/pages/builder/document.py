"""From the entries to a sweep document, valid or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.pages.builder.code_fields import FOLDER, GIT
from experiments.pages.builder.collector_fields import collector_document
from experiments.pages.builder.fields import FIELDS, PAIRS, Entries
from experiments.pages.builder.policy_fields import policies_fault
from experiments.pages.form_fields import (
    read_mapping,
    read_plain,
    read_quoted,
    write_mapping,
)
from experiments.search.document.collector import FIELD
from experiments.search.fields import Problem, join, shown

DIGEST_LENGTH = 64
# Long enough to tell snapshots apart, short enough to read.
SHORT_DIGEST = 12
# Mappings with free names, which the form has completely.
FREE = frozenset({"search_space", "inputs", "tags", FIELD})
ORDER = (
    "experiment_name",
    "display_name",
    "description",
    "tags",
    "trial",
    "inputs",
    "objective",
    FIELD,
    "search_space",
    "sampling_algorithm",
    "early_termination",
    "limits",
    "compute",
    "retries",
)


@dataclass(frozen=True)
class RowPath:
    """The names under which a row's problems are reported."""

    index: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Composed:
    """A document, the problems of texts that cannot be written into it, and the rows'
    paths. A problem here replaces that of the document's own check with the same path.
    """

    document: Mapping[str, Any]
    problems: tuple[Problem, ...]
    row_paths: tuple[RowPath, ...]


def compose(entries: Entries) -> Composed:
    """The document of the entries."""
    document: dict[str, Any] = {"trial": _code(entries)}
    texts, picks = entries.texts, entries.picks
    collector = collector_document(texts, picks["collector"])
    if collector is not None:
        document[FIELD] = collector
    problems: list[Problem] = []
    for single in FIELDS.values():
        text = texts.get(single.name, "")
        if not text or (single.picked and picks[single.picked] not in single.values):
            continue
        value = single.read(text)
        if value is not None:
            _put(document, single.path, value)
        fault = policies_fault(text) if single.name == "policies" else ""
        if fault:
            problems.append(Problem(single.dotted, fault))
    for name, pair in PAIRS.items():
        pairs, faults = read_pairs(texts.get(name, ""), plain=name == "inputs")
        problems += [Problem(pair.dotted, fault) for fault in faults]
        if pairs:
            _put(document, pair.path, pairs)
    space, row_paths, row_problems = _space(entries)
    document["search_space"] = space
    ordered = {key: document[key] for key in ORDER if key in document}
    _carry(ordered, read_mapping(texts.get("extra", "")))
    return Composed(ordered, (*problems, *row_problems), row_paths)


def left_over(document: Mapping[str, Any], composed: Mapping[str, Any]) -> str:
    """As JSON, what a document has and the form's own document does not.

    A setting with a type keeps the type: the rest has a meaning only with it.
    """
    extra: dict[str, Any] = {}
    for key, value in document.items():
        own = composed.get(key)
        if own is None:
            extra[key] = value
        elif isinstance(value, Mapping) and key not in FREE:
            more = {name: value[name] for name in value if name not in own}
            if more and "type" in value:
                more["type"] = value["type"]
            extra |= {key: more} if more else {}
    return write_mapping(extra)


def _carry(document: dict[str, Any], extra: Mapping[str, Any]) -> None:
    for key, value in extra.items():
        own = document.get(key)
        if own is None and key not in ORDER:
            document[key] = value
        elif key not in FREE and _is_rest_of(own, value):
            document[key] = {**value, **(own or {})}


def _is_rest_of(own: Any, rest: Any) -> bool:
    """Whether both are settings of one type."""
    if not isinstance(own, Mapping) or not isinstance(rest, Mapping):
        return False
    return bool(rest.get("type", own.get("type")) == own.get("type"))


def read_pairs(text: str, *, plain: bool) -> tuple[dict[str, Any], list[str]]:
    """The pairs of lines `name=value`, and a sentence for every other line.

    `plain` values may be numbers, true and false; others are text.
    """
    read: Callable[[str], Any] = read_plain if plain else read_quoted
    pairs: dict[str, Any] = {}
    faults: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        name, sign, value = line.partition("=")
        name = name.strip()
        if not line.strip():
            continue
        if not sign or not name:
            faults.append(
                f"Line {number} must be name=value, such as epochs=30, "
                f"not {shown(line.strip())}."
            )
        elif name in pairs:
            faults.append(f"Line {number} repeats {name}.")
        else:
            pairs[name] = read(value)
    return pairs, faults


def _put(document: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for key in path[:-1]:
        document = document.setdefault(key, {})
    document[path[-1]] = value


def _code(entries: Entries) -> dict[str, Any]:
    texts, kind = entries.texts, entries.picks["code_kind"]
    code, folder = (texts.get(name, "").strip() for name in ("code", "folder"))
    if kind == GIT:
        return {"code": {"git": {}}}
    if kind == FOLDER:
        whole = folder.startswith("/") or not folder
        return {"code": {"folder": folder} if whole else folder}
    if code:
        short = code[:SHORT_DIGEST] if len(code) == DIGEST_LENGTH else code
        return {"code": {"upload": short}}
    return {}


def _space(
    entries: Entries,
) -> tuple[dict[str, Any], tuple[RowPath, ...], list[Problem]]:
    space: dict[str, Any] = {}
    paths: list[RowPath] = []
    problems: list[Problem] = []
    for index, row in enumerate(entries.rows):
        parsed = row.parsed(entries.log_base)
        if parsed is None:
            continue
        key = _free_key(parsed.key, space)
        names = {key, parsed.name} if key == parsed.key else {key}
        if key != parsed.key:
            message = f"There is another parameter named {parsed.key}."
            problems.append(Problem(join("search_space", key), message))
        space[key] = parsed.mapping
        paths.append(RowPath(index, (key, *(names - {key}))))
        for field, message in parsed.faults.items():
            problems.append(Problem(f"search_space.{key}.{field}", message))
    return space, tuple(paths), problems


def _free_key(name: str, taken: Mapping[str, Any]) -> str:
    """The name, or a free key for a second row with the name, so that the rest of that
    row is checked too."""
    key, number = name, 2
    while key in taken:
        key, number = f"{name} ({number})", number + 1
    return key
