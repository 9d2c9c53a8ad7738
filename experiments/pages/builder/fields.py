"""The builder's fields: their place in the document, how texts become values and back;
and all entries of a form, as text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from django.http import QueryDict

from experiments.pages.builder.code_fields import (
    GIT,
    code_kind,
    read_requirements,
    write_requirements,
)
from experiments.pages.builder.collector_fields import read_names, write_names
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
from experiments.pages.builder.space_rows import SpaceRow
from experiments.pages.form_fields import (
    read_duration,
    read_number,
    write_duration,
    write_scalar,
)
from experiments.search.document.collector import (
    AUTOMATIC,
    FIELD,
    FILE,
    FORMATS,
    REGEX,
    STDOUT,
    TENSORBOARD,
)
from experiments.search.fields import is_number
from experiments.search.records import JSONValue

# More than a sweep may have, so that the document's own limit is reported.
MAX_ROWS = 1000
# The sampler of a new form, which the page proposes.
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
    """Text of several lines; None for an empty one."""
    return text.replace("\r\n", "\n") if text.strip() else None


def read_policy_kind(text: str) -> JSONValue:
    """A policy's type; None for no policy."""
    kind = text.strip()
    return None if kind == NO_POLICY else kind or None


@dataclass(frozen=True)
class DocumentField:
    """A field of the form for one field of the document.

    It applies only while the field `picked` has one of `values`.
    """

    name: str
    path: tuple[str, ...]
    label: str
    section: int
    read: Reader = read_number
    write: Writer = write_scalar
    picked: str = ""
    values: frozenset[str] = frozenset()

    @property
    def dotted(self) -> str:
        """The path as problems have it."""
        return ".".join(self.path)

    def applies(self, picks: Mapping[str, str]) -> bool:
        return not self.picked or picks[self.picked] in self.values


def _policy(field: PolicyField) -> DocumentField:
    return DocumentField(
        field.name,
        ("early_termination", field.name),
        field.name.replace("_", " "),
        TERMINATION,
        *CONTROLS[field.setting.control],
        picked="policy",
        values=frozenset(field.kinds),
    )


def _sampling(name: str, label: str, read: Reader) -> DocumentField:
    """A setting of the random sampler."""
    path, only = ("sampling_algorithm", name), frozenset({"random"})
    return DocumentField(
        name, path, label, SAMPLER, read, picked="sampler", values=only
    )


def _limit(name: str, label: str) -> DocumentField:
    return DocumentField(name, ("limits", name), label, LIMITS)


def _time_limit(name: str, label: str) -> DocumentField:
    path = ("limits", name)
    return DocumentField(name, path, label, LIMITS, read_duration, write_duration)


def _repository(name: str, label: str) -> DocumentField:
    path, only = ("trial", "code", "git", name), frozenset({GIT})
    return DocumentField(
        f"git_{name}", path, label, RUN, read_line, picked="code_kind", values=only
    )


def _collector(
    name: str,
    path: tuple[str, str],
    kinds: Iterable[str],
    read: Reader = read_line,
    write: Writer = write_scalar,
) -> DocumentField:
    """A setting of what the worker collects."""
    return DocumentField(
        f"collector_{name}",
        (FIELD, *path),
        name,
        OBJECTIVE,
        read,
        write,
        picked="collector",
        values=frozenset(kinds),
    )


FIELDS: Mapping[str, DocumentField] = {
    single.name: single
    for single in (
        DocumentField(
            "experiment_name", ("experiment_name",), "experiment", LIMITS, read_line
        ),
        DocumentField(
            "display_name", ("display_name",), "display name", LIMITS, read_line
        ),
        DocumentField(
            "description", ("description",), "description", LIMITS, read_text
        ),
        DocumentField("command", ("trial", "command"), "command", RUN, read_text),
        _repository("url", "repository"),
        _repository("ref", "branch, tag or commit"),
        _repository("path", "folder in the repository"),
        DocumentField("python", ("trial", "python"), "Python", RUN, read_line),
        DocumentField(
            "requirements",
            ("trial", "requirements"),
            "requirements",
            RUN,
            read_requirements,
            write_requirements,
        ),
        DocumentField(
            "primary_metric",
            ("objective", "primary_metric"),
            "primary metric",
            OBJECTIVE,
            read_line,
        ),
        DocumentField("goal", ("objective", "goal"), "goal", OBJECTIVE, read_line),
        DocumentField("target", ("objective", "target"), "target", OBJECTIVE),
        _collector("pattern", (STDOUT, "pattern"), [REGEX], read_text),
        _collector("metrics", (STDOUT, "metrics"), FORMATS, read_names, write_names),
        _collector("folder", (TENSORBOARD, "path"), [TENSORBOARD]),
        _collector("file", (FILE, "path"), [FILE]),
        DocumentField(
            "sampler", ("sampling_algorithm", "type"), "sampler", SAMPLER, read_line
        ),
        DocumentField("seed", ("sampling_algorithm", "seed"), "seed", SAMPLER),
        _sampling("rule", "rule", read_line),
        _sampling("logbase", "log base", read_number),
        DocumentField(
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
        DocumentField("compute", ("compute",), "pool", LIMITS, read_line),
        DocumentField("max_attempts", ("retries", "max_attempts"), "attempts", LIMITS),
    )
}
# Fields of several lines, `name=value` each.
PAIRS: Mapping[str, DocumentField] = {
    each.name: each
    for each in (
        DocumentField("inputs", ("inputs",), "inputs", RUN),
        DocumentField(
            "environment", ("trial", "environment_variables"), "environment", RUN
        ),
        DocumentField("tags", ("tags",), "tags", LIMITS),
    )
}
# Fields that the page folds away under "More".
RARE_FIELDS = frozenset(
    {"display_name", "description", "tags", "max_attempts", "max_failed_trials"}
)
# Fields that are read in their own way.
CARRIED = ("code_kind", "code", "folder", "collector", "collector_sample", "extra")
TEXTS = (*FIELDS, *PAIRS, *CARRIED)
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
    rows: Sequence[SpaceRow] = ()

    @classmethod
    def fresh(cls, **texts: str) -> Entries:
        """A new form: usual settings and an empty parameter."""
        return cls({**FRESH, **texts}, (SpaceRow(),))

    @classmethod
    def from_post(cls, data: QueryDict) -> Entries:
        indices = data.getlist("row")[:MAX_ROWS]
        return cls(
            {name: data.get(name, "") for name in TEXTS},
            tuple(SpaceRow.from_post(data, index) for index in indices),
        )

    def text(self, name: str) -> str:
        return self.texts.get(name, "")

    @cached_property
    def picks(self) -> Mapping[str, str]:
        """The picked values that other fields depend on."""
        return {
            "sampler": self.text("sampler") or "random",
            "policy": self.text("policy") or NO_POLICY,
            "code_kind": code_kind(self.texts),
            "collector": self.text("collector") or AUTOMATIC,
        }

    @property
    def sampler(self) -> str:
        return self.picks["sampler"]

    @property
    def policy(self) -> str:
        return self.picks["policy"]

    @property
    def code_kind(self) -> str:
        """The code's source: files, git or folder."""
        return self.picks["code_kind"]

    @cached_property
    def log_base(self) -> float:
        """The base of the logarithms of bounds of log types."""
        base = read_number(self.text("logbase")) if self.sampler == "random" else None
        return float(base) if is_number(base) and 1 < base <= 1e6 else math.e

    def with_texts(self, **texts: str) -> Entries:
        return replace(self, texts={**self.texts, **texts})

    def with_rows(self, rows: Sequence[SpaceRow]) -> Entries:
        return replace(self, rows=tuple(rows))

    def with_row(self, index: int, row: SpaceRow) -> Entries:
        return self.with_rows(
            [row if place == index else old for place, old in enumerate(self.rows)]
        )
