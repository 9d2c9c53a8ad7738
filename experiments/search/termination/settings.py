"""How a policy declares its settings.

Reading a document, every form on the pages and the policy simulator use them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, ClassVar

from experiments.search.fields import Fields, shown

MAX_REPORTS = 10**9
NTH_REPORT = "the n-th report of the primary metric"
METRIC_UNITS = "In units of the metric."
# The default of a setting that has none.
REQUIRED = object()


@dataclass(frozen=True, kw_only=True)
class Setting(ABC):
    """One setting: its default, its limits and the words for it.

    `help` is one sentence. An empty field shows `example`, or else the default; without
    a default the setting is required. `options` are names with their words. `phrase`
    describes it in a table's head, with the value at its braces. `slider` has the ends
    and the step of its range; a setting with `trial_share` counts reports instead, up
    to that share of a whole trial. `says_when`: it decides when a trial is judged, so
    forms show its default too. `named`: the short description of a policy always has
    it. `rare`: forms fold it away. `usual` are the values that a trade-off compares.
    """

    control: ClassVar[str]

    label: str
    default: Any = REQUIRED
    help: str = ""
    example: str = ""
    phrase: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    slider: tuple[float, float, float] | None = None
    trial_share: float = 0
    says_when: bool = False
    named: bool = False
    rare: bool = False
    usual: tuple[float, ...] = ()

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED

    @property
    def placeholder(self) -> str:
        """The text in an empty field."""
        return self.example or str(self.default)

    @abstractmethod
    def read(self, document: Fields, name: str) -> Any:
        """The value in a document; problems are noted there."""

    def is_default(self, value: object) -> bool:
        """Whether a value equals the default, in its type too."""
        return type(value) is type(self.default) and value == self.default


@dataclass(frozen=True, kw_only=True)
class IntegerSetting(Setting):
    """A whole number."""

    control: ClassVar[str] = "number"

    minimum: int = 1
    maximum: int = MAX_REPORTS

    def read(self, document: Fields, name: str) -> int:
        required = self.example if self.is_required else ""
        default: int = int(self.example) if self.is_required else self.default
        return document.integer(
            name, default, least=self.minimum, most=self.maximum, required=required
        )


@dataclass(frozen=True, kw_only=True)
class NumberSetting(Setting):
    """A number of at least `minimum`."""

    control: ClassVar[str] = "number"

    minimum: float = -math.inf

    def read(self, document: Fields, name: str) -> float | None:
        return document.number(name, self.default, least=self.minimum)


@dataclass(frozen=True, kw_only=True)
class ShareSetting(Setting):
    """A share, below 1."""

    control: ClassVar[str] = "number"

    def read(self, document: Fields, name: str) -> float:
        value = document.number(name, self.default, least=0)
        if value >= 1:
            document.error(
                name, f"{name} must be at least 0 and below 1, not {value:g}."
            )
        return float(value)


@dataclass(frozen=True, kw_only=True)
class FlagSetting(Setting):
    """True or false."""

    control: ClassVar[str] = "check"

    def read(self, document: Fields, name: str) -> bool:
        return document.flag(name, self.default)


@dataclass(frozen=True, kw_only=True)
class OptionSetting(Setting):
    """One of its options."""

    control: ClassVar[str] = "choice"

    def read(self, document: Fields, name: str) -> str:
        return document.option(name, self.default, tuple(self.options))


@dataclass(frozen=True, kw_only=True)
class PoliciesSetting(Setting):
    """A list of other policies."""

    control: ClassVar[str] = "lines"

    minimum: int
    maximum: int
    required: str

    def read(self, document: Fields, name: str) -> list[object]:
        entries = document.raw(name, required=self.required)
        if (
            isinstance(entries, list | tuple)
            and self.minimum <= len(entries) <= self.maximum
        ):
            return list(entries)
        if entries is not None:
            document.error(
                name,
                f"{name} must be a list of {self.minimum} to {self.maximum} policies, "
                f"not {shown(entries)}.",
            )
        return []


def declared(setting: Setting) -> Any:
    """The dataclass field of a policy for this setting."""
    default = MISSING if setting.is_required else setting.default
    return field(default=default, metadata={"setting": setting})
