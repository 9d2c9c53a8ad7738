"""What filters can name: parameters, metrics, and facts of trials."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

PLAIN_NAME = re.compile(r"[^\W\d]\w*", re.ASCII)
# A word that is not plain, such as val/loss or adam-w, is one if something is named so.
MAX_WORD = 250


@dataclass(frozen=True)
class FilterField:
    """Something that a filter can name.

    `key` finds its values. `kinds` are their types: number, text, boolean, null, list,
    duration, moment. The bare name of one that may be boolean is a condition; of others
    than parameters it asks whether there is a value. `values` are known texts, or all
    possible ones if `closed`. `several`: a row may have several values.
    """

    key: str
    name: str
    kinds: frozenset[str]
    group: str = "trial"
    detail: str = ""
    values: tuple[str, ...] = ()
    closed: bool = False
    several: bool = False

    @property
    def is_parameter(self) -> bool:
        return self.group == "parameter"


@dataclass(frozen=True)
class Vocabulary:
    """The fields, by all their names. Of two with one name the first one counts.

    `hints` says of other names why they have no meaning here.
    """

    by_name: Mapping[str, FilterField]
    hints: Mapping[str, str]

    @classmethod
    def of(
        cls,
        fields: Iterable[FilterField],
        *,
        other_names: Mapping[str, str] | None = None,
        hints: Mapping[str, str] | None = None,
    ) -> Vocabulary:
        """`other_names` give the keys of fields."""
        by_name: dict[str, FilterField] = {}
        by_key: dict[str, FilterField] = {}
        for field in fields:
            by_name.setdefault(field.name, field)
            by_key.setdefault(field.key, field)
        for name, key in (other_names or {}).items():
            by_name.setdefault(name, by_key[key])
        return cls(by_name, hints or {})

    @cached_property
    def fields(self) -> tuple[FilterField, ...]:
        """Each once, in their order."""
        return tuple(dict.fromkeys(self.by_name.values()))

    @cached_property
    def word_values(self) -> frozenset[str]:
        """Known texts, which may be written without quotes."""
        return frozenset(value for field in self.fields for value in field.values)

    def name_of(self, field: FilterField) -> str:
        """The name that means this field; its longer one if another field has the
        short one."""
        if self.by_name.get(field.name) is field:
            return field.name
        names = (name for name, each in self.by_name.items() if each is field)
        return next(names, field.name)


def written_name(name: str) -> str:
    """A name as it is written in a filter."""
    plain = all(map(PLAIN_NAME.fullmatch, name.split(".")))
    return name if plain and name.lower() not in WORDS else f"`{name}`"


def written_text(text: str) -> str:
    """A text as it is written in a filter."""
    if PLAIN_NAME.fullmatch(text) and text.lower() not in WORDS:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# Words of the language, in any place.
WORDS = frozenset(
    ("and", "or", "not", "in", "contains", "true", "false", "null", "not_set")
)
