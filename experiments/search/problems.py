"""What is wrong with a document: problems with the path of their field."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

# Comparing two names takes time by the product of their lengths.
LONGEST_COMPARED = 60


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
class Findings:
    """Collects problems and warnings while a document is read."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def error(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))

    def warn(self, path: str, message: str) -> None:
        self.warnings.append(Problem(path, message))

    def clean_since(self, mark: int) -> bool:
        """Whether nothing went wrong since there were `mark` problems."""
        return len(self.problems) == mark

    def raise_if_any(self) -> None:
        """Raise DefinitionError when there is a problem."""
        if self.problems:
            raise DefinitionError(self.problems)


def join(path: str, key: str | int) -> str:
    """The path of a field inside another."""
    return f"{path}.{key}" if path else str(key)


def shown(value: object, *, most: int = 60) -> str:
    """A value as it stands in a document, cut when long, for use in a sentence."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    # Half of a surrogate pair cannot be sent or stored.
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= most else text[: most - 1] + "…"


def cut(name: str, *, most: int = 60) -> str:
    """A name for use in a sentence, cut when long."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def listed(names: Iterable[object], *, last: str = "and") -> str:
    """Names as a sentence has them: `a, b and c`."""
    words = [str(name) for name in names]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, if any comes close."""
    names = {other.lower(): other for other in known if len(other) <= LONGEST_COMPARED}
    meant = name[:100].lower()
    if len(meant) > LONGEST_COMPARED:
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
