"""The single fields of the builder: their names, where they stand in the document, and
how a text becomes a value and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from experiments.pages.builder.policy_fields import (
    SCHEDULE,
    SCHEDULED,
    PolicyField,
    policy_fields,
)
from experiments.pages.builder.policy_text import read_policies, write_policies
from experiments.pages.builder.source_fields import (
    GIT,
    read_requirements,
    write_requirements,
)
from experiments.pages.durations import read_duration, write_duration
from experiments.pages.value_text import read_number, write_scalar
from experiments.search.records import JSONValue

RUN, OBJECTIVE, SPACE, SAMPLER, TERMINATION, LIMITS = 1, 2, 3, 4, 5, 6
SECTIONS: Mapping[int, str] = {
    RUN: "What to run",
    OBJECTIVE: "Objective",
    SPACE: "Search space",
    SAMPLER: "Sampler",
    TERMINATION: "Early termination",
    LIMITS: "Limits and resources",
}


def read_line(text: str) -> JSONValue:
    """Text on one line, None for nothing."""
    return text.strip() or None


def read_text(text: str) -> JSONValue:
    """Text on several lines, None for nothing."""
    return text.replace("\r\n", "\n") if text.strip() else None


def read_flag(text: str) -> JSONValue:
    """true for a ticked box; the document leaves out what is not ticked."""
    return True if text == "on" else None


def write_flag(value: object) -> str:
    return "on" if value is True else write_scalar(value or None)


@dataclass(frozen=True)
class Single:
    """One field of the form, and the field of the document that it is."""

    name: str
    path: tuple[str, ...]
    label: str
    section: int
    read: Callable[[str], JSONValue] = read_number
    write: Callable[[object], str] = write_scalar


Reader: TypeAlias = Callable[[str], JSONValue]
Writer: TypeAlias = Callable[[object], str]
CONTROLS: Mapping[str, tuple[Reader, Writer]] = {
    "number": (read_number, write_scalar),
    "check": (read_flag, write_flag),
    "lines": (read_policies, write_policies),
}


def _policy(
    name: str, label: str, read: Reader = read_number, write: Writer = write_scalar
) -> Single:
    path = ("early_termination", name)
    return Single(name, path, label, TERMINATION, read, write)


def _setting(field: PolicyField) -> Single:
    """A setting that only some policies have; in a list of problems by its name."""
    read, write = CONTROLS[field.control]
    return _policy(field.name, field.name.replace("_", " "), read, write)


def _limit(name: str, label: str) -> Single:
    return Single(name, ("limits", name), label, LIMITS)


def _repository(name: str, label: str) -> Single:
    return Single(f"git_{name}", ("trial", "code", "git", name), label, RUN, read_line)


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
        Single("rule", ("sampling_algorithm", "rule"), "rule", SAMPLER, read_line),
        Single("logbase", ("sampling_algorithm", "logbase"), "log base", SAMPLER),
        Single(
            "policy", ("early_termination", "type"), "policy", TERMINATION, read_line
        ),
        *map(_setting, policy_fields()),
        _policy("delay_evaluation", "first check"),
        _policy("evaluation_interval", "then every"),
        _policy("min_rivals", "other trials needed"),
        _policy("on_missing", "reports of NaN", read_line),
        _limit("max_total_trials", "trials"),
        _limit("max_concurrent_trials", "at a time"),
        Single(
            "timeout",
            ("limits", "timeout"),
            "whole sweep",
            LIMITS,
            read_duration,
            write_duration,
        ),
        Single(
            "trial_timeout",
            ("limits", "trial_timeout"),
            "one trial",
            LIMITS,
            read_duration,
            write_duration,
        ),
        _limit("max_failed_trials", "failed trials"),
        Single("compute", ("compute",), "pool", LIMITS, read_line),
        Single("max_attempts", ("retries", "max_attempts"), "attempts", LIMITS),
    )
}
# Fields that mean something with one sampler or policy only.
OF_SAMPLER: Mapping[str, frozenset[str]] = {
    "rule": frozenset({"random"}),
    "logbase": frozenset({"random"}),
}
OF_POLICY: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(SCHEDULE, SCHEDULED),
    **{field.name: frozenset(field.kinds) for field in policy_fields()},
}
# Fields that mean something with one source of the code only.
OF_SOURCE: Mapping[str, str] = dict.fromkeys(("git_url", "git_ref", "git_path"), GIT)
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
NO_POLICY = "none"
