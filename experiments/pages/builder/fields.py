"""The builder's fields: where each is in the document, how a text becomes a value and
back, and everything that was entered, as text: nothing is lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from django.http import QueryDict

from experiments.pages.builder.code_fields import (
    GIT,
    code_kind,
    read_requirements,
    write_requirements,
)
from experiments.pages.builder.policy_fields import (
    CAUTIOUS,
    CONTROLS,
    NO_POLICY,
    PolicyField,
    Reader,
    Writer,
    common_fields,
    own_fields,
    read_line,
)
from experiments.pages.builder.space_rows import ParameterRow
from experiments.pages.form_fields import (
    read_duration,
    read_number,
    write_duration,
    write_scalar,
)
from experiments.search.fields import is_number
from experiments.search.records import JSONValue

# More parameters than a sweep may have, so that the document's own limit speaks first.
MAX_ROWS = 1000
# The sampler of a new form, and what the page advises.
PROPOSED = "auto"
RUN, OBJECTIVE, SPACE, SAMPLER, TERMINATION, LIMITS = 1, 2, 3, 4, 5, 6
SECTIONS: Mapping[int, str] = {
    RUN: "What to run",
    OBJECTIVE: "Objective",
    SPACE: "Search space",
    SAMPLER: "Sampler",
    TERMINATION: "Early termination",
    LIMITS: "Limits and resources",
}


def read_text(text: str) -> JSONValue:
    """Text on several lines, None for nothing."""
    return text.replace("\r\n", "\n") if text.strip() else None


def read_policy_kind(text: str) -> JSONValue:
    """The kind of a policy, None for none."""
    kind = text.strip()
    return None if kind == NO_POLICY else kind or None


@dataclass(frozen=True)
class Single:
    """One field of the form, and the field of the document that it is.

    `picked` and `values`: it means something only while the field of that name holds
    one of these values.
    """

    name: str
    path: tuple[str, ...]
    label: str
    section: int
    read: Reader = read_number
    write: Writer = write_scalar
    picked: str = ""
    values: frozenset[str] = frozenset()

    def applies(self, picks: Mapping[str, str]) -> bool:
        return not self.picked or picks[self.picked] in self.values


def _policy(field: PolicyField) -> Single:
    return Single(
        field.name,
        ("early_termination", field.name),
        field.name.replace("_", " "),
        TERMINATION,
        *CONTROLS[field.setting.control],
        picked="policy",
        values=frozenset(field.kinds),
    )


def _sampling(name: str, label: str, read: Reader) -> Single:
    """A setting of the random sampler."""
    path, only = ("sampling_algorithm", name), frozenset({"random"})
    return Single(name, path, label, SAMPLER, read, picked="sampler", values=only)


def _limit(name: str, label: str) -> Single:
    return Single(name, ("limits", name), label, LIMITS)


def _time_limit(name: str, label: str) -> Single:
    path = ("limits", name)
    return Single(name, path, label, LIMITS, read_duration, write_duration)


def _repository(name: str, label: str) -> Single:
    path, only = ("trial", "code", "git", name), frozenset({GIT})
    return Single(
        f"git_{name}", path, label, RUN, read_line, picked="code_kind", values=only
    )


SINGLES: Mapping[str, Single] = {
    single.name: single
    for single in (
        Single(
            "experiment_name", ("experiment_name",), "experiment", LIMITS, read_line
        ),
        Single("display_name", ("display_name",), "display name", LIMITS, read_line),
        Single("description", ("description",), "description", LIMITS, read_text),
        Single("command", ("trial", "command"), "command", RUN, read_text),
        _repository("url", "repository"),
        _repository("ref", "branch, tag or commit"),
        _repository("path", "folder in the repository"),
        Single("python", ("trial", "python"), "Python", RUN, read_line),
        Single(
            "requirements",
            ("trial", "requirements"),
            "requirements",
            RUN,
            read_requirements,
            write_requirements,
        ),
        Single(
            "primary_metric",
            ("objective", "primary_metric"),
            "primary metric",
            OBJECTIVE,
            read_line,
        ),
        Single("goal", ("objective", "goal"), "goal", OBJECTIVE, read_line),
        Single("target", ("objective", "target"), "target", OBJECTIVE),
        Single(
            "sampler", ("sampling_algorithm", "type"), "sampler", SAMPLER, read_line
        ),
        Single("seed", ("sampling_algorithm", "seed"), "seed", SAMPLER),
        _sampling("rule", "rule", read_line),
        _sampling("logbase", "log base", read_number),
        Single(
            "policy",
            ("early_termination", "type"),
            "policy",
            TERMINATION,
            read_policy_kind,
        ),
        *map(_policy, (*own_fields(), *common_fields())),
        _limit("max_total_trials", "trials"),
        _limit("max_concurrent_trials", "at a time"),
        _time_limit("timeout", "whole sweep"),
        _time_limit("trial_timeout", "one trial"),
        _limit("max_failed_trials", "failed trials"),
        Single("compute", ("compute",), "pool", LIMITS, read_line),
        Single("max_attempts", ("retries", "max_attempts"), "attempts", LIMITS),
    )
}
# Fields of several lines, `name=value` each.
PAIRS: Mapping[str, tuple[tuple[str, ...], str, int]] = {
    "inputs": (("inputs",), "inputs", RUN),
    "environment": (("trial", "environment_variables"), "environment", RUN),
    "tags": (("tags",), "tags", LIMITS),
}
# Fields that the page folds away under "More".
RARE_FIELDS = frozenset(
    {"display_name", "description", "tags", "max_attempts", "max_failed_trials"}
)
# Fields that only carry something, and lists that are read in their own way.
CARRIED = ("code_kind", "code", "folder", "extra")
TEXTS = (*SINGLES, *PAIRS, *CARRIED)
FRESH: Mapping[str, str] = {
    "command": "python train.py",
    "goal": "maximize",
    "sampler": PROPOSED,
    "policy": CAUTIOUS,
    "max_total_trials": "40",
    "max_concurrent_trials": "4",
}


@dataclass(frozen=True)
class Entries:
    """The texts by field, and the search space's rows in order."""

    texts: Mapping[str, str] = field(default_factory=dict)
    rows: Sequence[ParameterRow] = ()

    @classmethod
    def fresh(cls, **texts: str) -> Entries:
        """A new form: usual settings, and one parameter to fill in."""
        return cls({**FRESH, **texts}, (ParameterRow(),))

    @classmethod
    def from_post(cls, data: QueryDict) -> Entries:
        indices = data.getlist("row")[:MAX_ROWS]
        return cls(
            {name: data.get(name, "") for name in TEXTS},
            tuple(ParameterRow.from_post(data, index) for index in indices),
        )

    def text(self, name: str) -> str:
        return self.texts.get(name, "")

    @cached_property
    def picks(self) -> Mapping[str, str]:
        """What is picked where other fields depend on it."""
        return {
            "sampler": self.text("sampler") or "random",
            "policy": self.text("policy") or NO_POLICY,
            "code_kind": code_kind(self.texts),
        }

    @property
    def sampler(self) -> str:
        return self.picks["sampler"]

    @property
    def policy(self) -> str:
        return self.picks["policy"]

    @property
    def code_kind(self) -> str:
        """Where the code comes from: files, git or folder."""
        return self.picks["code_kind"]

    @cached_property
    def log_base(self) -> float:
        """The base of the logarithms in which log types are given."""
        base = read_number(self.text("logbase")) if self.sampler == "random" else None
        return float(base) if is_number(base) and 1 < base <= 1e6 else math.e

    def with_texts(self, **texts: str) -> Entries:
        return replace(self, texts={**self.texts, **texts})

    def with_rows(self, rows: Sequence[ParameterRow]) -> Entries:
        return replace(self, rows=tuple(rows))

    def with_row(self, index: int, row: ParameterRow) -> Entries:
        return self.with_rows(
            [row if place == index else old for place, old in enumerate(self.rows)]
        )
