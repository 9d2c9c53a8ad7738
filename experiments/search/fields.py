"""One mapping of a document, read field by field, every problem noted.

A field that is null counts as left out. A reading method that finds a problem notes
it and returns the default, so that the reading goes on and finds the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeGuard, TypeVar

from experiments.search.problems import Findings, join, listed, shown, unknown_name

D = TypeVar("D")


class Fields:
    """The fields of one mapping at `path`."""

    def __init__(
        self, document: Mapping[str, object], path: str, findings: Findings
    ) -> None:
        self.path = path
        self.findings = findings
        self._document = document
        self._known: list[str] = []

    @classmethod
    def of(cls, value: object, path: str, findings: Findings) -> Fields | None:
        """The fields of a value that has to be a mapping; None, noted, if it is not."""
        if isinstance(value, Mapping):
            return cls(value, path, findings)
        name = path or "The document"
        findings.error(path, f"{name} must be a mapping of fields, not {shown(value)}.")
        return None

    def error(self, key: str, message: str) -> None:
        self.findings.error(join(self.path, key), message)

    def warn(self, key: str, message: str) -> None:
        self.findings.warn(join(self.path, key), message)

    def raw(self, key: str, *, required: str = "") -> object:
        """The value as it stands, None when left out.

        `required` is an example; with it, a field that was left out is a problem.
        """
        self._known.append(key)
        value = self._document.get(key)
        if value is None and required:
            self.error(key, f"{key} is required, such as {required}.")
        return value

    def inner(self, key: str, *, required: str = "") -> Fields | None:
        """A mapping inside this one; None when left out or not a mapping."""
        value = self.raw(key, required=required)
        if value is None:
            return None
        return Fields.of(value, join(self.path, key), self.findings)

    def text(
        self, key: str, default: D, *, required: str = "", most: int = 10_000
    ) -> str | D:
        """Text that is not empty, of at most so many characters."""
        value = self.raw(key, required=required)
        if value is None:
            return default
        if not isinstance(value, str):
            self.error(key, f"{key} must be text, not {shown(value)}.")
            return default
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
        """One of a few words, in any case."""
        value = self.raw(key, required=required)
        if value is None:
            return default
        if isinstance(value, str) and value.lower() in options:
            return value.lower()
        self.error(
            key, f"{key} must be {listed(options, last='or')}, not {shown(value)}."
        )
        return default

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.error(key, f"{key} must be true or false, not {shown(value)}.")
            return default
        return value

    def integer(
        self, key: str, default: D, *, least: int, most: int, required: str = ""
    ) -> int | D:
        """A whole number; `3.0` is one too."""
        value = self.raw(key, required=required)
        if value is None:
            return default
        whole = whole_number(value)
        if whole is None or not least <= whole <= most:
            self.error(
                key,
                f"{key} must be a whole number from {least:,} to {most:,}, "
                f"not {shown(value)}.",
            )
            return default
        return whole

    def number(
        self, key: str, default: D, *, least: float = -math.inf, required: str = ""
    ) -> float | D:
        """A finite number, as it stands: 1 stays an int."""
        value = self.raw(key, required=required)
        if value is None:
            return default
        if not is_number(value) or value < least:
            bound = "" if math.isinf(least) else f" of at least {least:g}"
            self.error(
                key, f"{key} must be a finite number{bound}, not {shown(value)}."
            )
            return default
        return value

    def entries(self) -> list[tuple[str, object]]:
        """Every field with its value, for a mapping whose names are free."""
        self._known += map(str, self._document)
        return [(str(name), value) for name, value in self._document.items()]

    def close(self) -> None:
        """Note every field that nobody asked for."""
        for key in self._document:
            if key not in self._known:
                self.findings.error(
                    join(self.path, str(key)), unknown_name(str(key), self._known)
                )


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is an int or a float (no bool) that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def whole_number(value: object) -> int | None:
    """A value as an int when it is a whole number, 3.0 included; None otherwise."""
    if is_number(value) and value == int(value):
        return int(value)
    return None
