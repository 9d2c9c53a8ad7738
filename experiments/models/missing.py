"""What of an attempt's results the site does not have: refused points and losses."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

# More names are only counted, so that one row stays small.
MAX_NAMES = 20
MAX_NAME_LENGTH = 100
# In a sentence: names or reasons, and characters of each name.
MAX_SHOWN, MAX_QUOTED = 3, 40
# A batch that is sent again must not count twice.
MAX_BATCHES = 16


@dataclass(frozen=True)
class RefusedPoint:
    """A reported point that was not stored.

    ``field`` is the part of it that is wrong, ``sent`` tells it from the name's others.
    ``points`` is for several points at once.
    """

    name: str
    field: str
    reason: str
    sent: str = ""
    points: int = 1


@dataclass(frozen=True)
class RefusedName:
    """How many points of one name were refused, and why. Without a name: of others."""

    name: str
    points: int
    reason: str
    field: str = ""

    @property
    def is_rest(self) -> bool:
        return not self.name and not self.field


@dataclass(frozen=True)
class MissingData:
    """The column ``Attempt.missing``. ``lost`` are sentences about what did not arrive;
    ``others`` counts the refused points of names beyond the first MAX_NAMES, and
    ``reasons`` says why."""

    refused: Sequence[RefusedName] = ()
    others: int = 0
    lost: Sequence[str] = ()
    batches: Sequence[int] = field(default=(), repr=False)
    reasons: Sequence[str] = ()

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> MissingData:
        """From the column, where NULL means that nothing is missing."""
        if not stored:
            return cls()
        refused = [RefusedName(**each) for each in stored.get("refused", ())]
        return cls(**{**stored, "refused": refused})

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    def names(self) -> list[RefusedName]:
        """One for each name, and one for all further names."""
        reason = "; ".join([*self.reasons, "only the first names are listed"])
        rest = RefusedName("", self.others, reason)
        return [*self.refused, *([rest] if self.others else [])]

    def with_lost(self, sentences: Iterable[str]) -> MissingData:
        return replace(self, lost=[*sentences])

    def with_refused(self, points: Sequence[RefusedPoint]) -> MissingData:
        """Count these in, unless the same batch was counted before."""
        batch = zlib.crc32(repr([(p.name, p.field, p.sent) for p in points]).encode())
        if batch in self.batches:
            return self
        merged = merge([*self.refused, *by_name(points)])
        rest = merged[MAX_NAMES:]
        reasons = dict.fromkeys([*self.reasons, *(each.reason for each in rest)])
        return replace(
            self,
            refused=merged[:MAX_NAMES],
            others=self.others + sum(each.points for each in rest),
            reasons=[*reasons][:MAX_SHOWN],
            batches=[*self.batches, batch][-MAX_BATCHES:],
        )


def by_name(points: Iterable[RefusedPoint]) -> tuple[RefusedName, ...]:
    """The points by name and by what is wrong with them."""
    return merge(
        RefusedName(_short(p.name), p.points, p.reason, p.field) for p in points
    )


def merge(refusals: Iterable[RefusedName]) -> tuple[RefusedName, ...]:
    """Those of the same name and field as one, with the first one's reason."""
    found: dict[tuple[str, str], RefusedName] = {}
    for each in refusals:
        key = each.name, each.field
        first = found.get(key, RefusedName(each.name, 0, each.reason, each.field))
        points = first.points + each.points
        found[key] = RefusedName(first.name, points, first.reason, first.field)
    return tuple(found.values())


def sentences(refused: Iterable[RefusedName]) -> list[str]:
    """For people: names that were refused for the same reason are one sentence."""
    groups: dict[str, list[RefusedName]] = {}
    for each in refused:
        groups.setdefault(each.reason, []).append(each)
    return [_sentence(reason, group) for reason, group in groups.items()]


def _sentence(reason: str, group: Sequence[RefusedName]) -> str:
    count = sum(each.points for each in group)
    points = "1 point" if count == 1 else f"{count:,} points"
    were = "was" if count == 1 else "were"
    shown = [_quoted(each.name) for each in group[:MAX_SHOWN]]
    more = len(group) - MAX_SHOWN
    names = ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
    return f"{points} of {names} {were} refused: {reason}"


def _quoted(name: str) -> str:
    cut = name if len(name) <= MAX_QUOTED else f"{name[:MAX_QUOTED]}…"
    return f"“{cut}”" if name else "other names"


def _short(name: str) -> str:
    """A name for people; no database keeps NUL, nor halves of surrogate pairs."""
    text = name.encode("utf-8", "replace").decode().replace("\0", "?")
    return text if len(text) <= MAX_NAME_LENGTH else f"{text[:MAX_NAME_LENGTH]}…"
