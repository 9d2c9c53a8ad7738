"""The fields of a document, read one by one, with every problem and its path.

A null field counts as left out. A method that finds a problem notes it and returns the
default, so that reading continues and finds the other problems.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeGuard, TypeVar

# Comparing two names takes time by the product of their lengths.
MAX_COMPARED_LENGTH = 60


class Problem(NamedTuple):
    """`path` names the field (`limits.timeout`); `message` says what is allowed."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class DefinitionError(ValueError):
    """An invalid document, or a part of one, with every problem that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def by_path(self) -> dict[str, list[str]]:
        """Field path to its sentences, in the order in which they were found."""
        found: dict[str, list[str]] = {}
        for path, message in self.problems:
            found.setdefault(path, []).append(message)
        return found


@dataclass
class Diagnostics:
    """The problems and warnings found while reading a document."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def error(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))

    def warn(self, path: str, message: str) -> None:
        self.warnings.append(Problem(path, message))

    def clean_since(self, mark: int) -> bool:
        """Whether there are no problems since there were `mark` of them."""
        return len(self.problems) == mark

    def raise_if_any(self) -> None:
        """Raise DefinitionError when there is a problem."""
        if self.problems:
            raise DefinitionError(self.problems)


def join(path: str, key: str | int) -> str:
    """The path of a field inside another one."""
    return f"{path}.{key}" if path else str(key)


def shown(value: object, *, most: int = 60) -> str:
    """A value as JSON, cut if long, for use in a sentence."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    # Half of a surrogate pair cannot be sent or stored.
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= most else text[: most - 1] + "…"


def cut(name: str, *, most: int = 60) -> str:
    """A name, cut if long, for use in a sentence."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def listed(names: Iterable[object], *, last: str = "and") -> str:
    """Names for use in a sentence: `a, b and c`."""
    words = [str(name) for name in names]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is closest to a misspelled one, if any is close."""
    names = {
        other.lower(): other for other in known if len(other) <= MAX_COMPARED_LENGTH
    }
    meant = name[:100].lower()
    if len(meant) > MAX_COMPARED_LENGTH:
        return None
    close = difflib.get_close_matches(meant, names, n=1, cutoff=0.6)
    if not close and len(meant) > 2:
        close = [other for other in names if other.startswith(meant)]
    return names[close[0]] if close else None


def unknown_name(name: str, known: Iterable[str], *, kind: str = "field") -> str:
    """The sentence for a name that is not among the known ones."""
    names = list(known)
    close = nearest(name, names)
    if close is not None:
        return f"There is no {kind} {shown(name)} here; did you mean {close}?"
    return f"There is no {kind} {shown(name)} here; there are {listed(names)}."


D = TypeVar("D")


class Fields:
    """The fields of one mapping at `path`."""

    def __init__(
        self, document: Mapping[str, object], path: str, diagnostics: Diagnostics
    ) -> None:
        self.path = path
        self.diagnostics = diagnostics
        self._document = document
        self._known: list[str] = []

    @classmethod
    def of(cls, value: object, path: str, diagnostics: Diagnostics) -> Fields | None:
        """The fields of a mapping; None for anything else, after noting it."""
        if isinstance(value, Mapping):
            return cls(value, path, diagnostics)
        name = path or "The document"
        diagnostics.error(
            path, f"{name} must be a mapping of fields, not {shown(value)}."
        )
        return None

    def error(self, key: str, message: str) -> None:
        self.diagnostics.error(join(self.path, key), message)

    def warn(self, key: str, message: str) -> None:
        self.diagnostics.warn(join(self.path, key), message)

    def raw(self, key: str, *, required: str = "") -> object:
        """The unchecked value, None if left out.

        `required` is an example: with it, leaving out the field is a problem.
        """
        self._known.append(key)
        value = self._document.get(key)
        if value is None and required:
            self.error(key, f"Add the field {key}, such as {required}.")
        return value

    def inner(self, key: str, *, required: str = "") -> Fields | None:
        """A mapping inside this one; None if left out or not a mapping."""
        value = self.raw(key, required=required)
        if value is None:
            return None
        return Fields.of(value, join(self.path, key), self.diagnostics)

    def text(
        self, key: str, default: D, *, required: str = "", most: int = 10_000
    ) -> str | D:
        """Text that is not empty, of up to `most` characters."""
        value = self.raw(key, required=required)
        if not isinstance(value, str):
            return self._or_default(key, default, "text", value=value)
        if not value.strip() or len(value) > most or "\0" in value:
            self.error(
                key,
                f"{key} must be 1 to {most:,} characters of text, none of them NUL.",
            )
            return default
        return value

    def option(
        self, key: str, default: str, options: Sequence[str], *, required: str = ""
    ) -> str:
        """One of the options, in upper or lower case."""
        value = self.raw(key, required=required)
        if isinstance(value, str) and value.lower() in options:
            return value.lower()
        return self._or_default(key, default, listed(options, last="or"), value=value)

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self.raw(key)
        if isinstance(value, bool):
            return value
        return self._or_default(key, default, "true or false", value=value)

    def integer(
        self, key: str, default: D, *, least: int, most: int, required: str = ""
    ) -> int | D:
        """A whole number; `3.0` is one too."""
        value = self.raw(key, required=required)
        whole = whole_number(value)
        if whole is not None and least <= whole <= most:
            return whole
        allowed = f"a whole number from {least:,} to {most:,}"
        return self._or_default(key, default, allowed, value=value)

    def number(
        self, key: str, default: D, *, least: float = -math.inf, required: str = ""
    ) -> float | D:
        """A finite number of its own type: 1 stays an int."""
        value = self.raw(key, required=required)
        if is_number(value) and value >= least:
            return value
        bound = "" if math.isinf(least) else f" of at least {least:g}"
        return self._or_default(key, default, f"a finite number{bound}", value=value)

    def must_be(self, key: str, allowed: str, *, value: object) -> None:
        """Note the problem of a value that is not what it must be."""
        self.error(key, f"{key} must be {allowed}, not {shown(value)}.")

    def _or_default(self, key: str, default: D, allowed: str, *, value: object) -> D:
        """The default, after noting the problem of a value that is not left out."""
        if value is not None:
            self.must_be(key, allowed, value=value)
        return default

    def entries(self) -> list[tuple[str, object]]:
        """Every field with its value, for a mapping whose names are free."""
        self._known += map(str, self._document)
        return [(str(name), value) for name, value in self._document.items()]

    def close(self) -> None:
        """Note a problem for every field that was not read."""
        for key in self._document:
            if key not in self._known:
                self.diagnostics.error(
                    join(self.path, str(key)), unknown_name(str(key), self._known)
                )


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is an int or a float (not a bool) that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def whole_number(value: object) -> int | None:
    """A whole number as an int, also 3.0; None for anything else."""
    if is_number(value) and value == int(value):
        return int(value)
    return None
