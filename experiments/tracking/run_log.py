"""What programs log about a run or trial besides metrics and files: parameters, tags.

The limits are those of MLflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from django.db import transaction
from django.db.models.functions import Now

from experiments.models import Run, Trial

MAX_KEY_LENGTH, MAX_PARAM_LENGTH, MAX_TAG_LENGTH = 250, 6_000, 8_000
MAX_ENTRIES, MAX_SHOWN = 2_000, 60

Code = Literal["invalid", "param_changed", "too_many"]


class RunLogError(Exception):
    """A parameter or tag that cannot be logged. Nothing of its batch was stored."""

    def __init__(self, code: Code, key: str, message: str) -> None:
        super().__init__(message)
        self.code, self.key = code, key

    @property
    def is_conflict(self) -> bool:
        return self.code != "invalid"


def log_params(
    trial: Trial, params: Mapping[str, str], *, replace: bool = False
) -> None:
    """Add parameters, which never change unless they may be replaced: the same value
    again is fine. Raises RunLogError."""
    check_params(params)
    with _locked(trial, "params") as run:
        for key, value in params.items():
            known = value if replace else run.params.get(key, value)
            run.params[key] = value
            if known != value:
                raise RunLogError(
                    "param_changed",
                    key,
                    f"The parameter {key!r} is {known[:60]!r} already, and a parameter"
                    f" cannot change: {value[:60]!r} was not stored.",
                )
        check_count(run.params, "parameters")


def set_tags(trial: Trial, tags: Mapping[str, str]) -> None:
    """Set tags; those that exist get the new value. Raises RunLogError."""
    check_tags(tags)
    with _locked(trial, "tags") as run:
        run.tags.update(tags)
        check_count(run.tags, "tags")


def delete_tag(trial: Trial, key: str) -> bool:
    """False: there is no such tag."""
    with _locked(trial, "tags") as run:
        return run.tags.pop(key, None) is not None


def change_run(trial: Trial, **fields: Any) -> None:
    """Set columns of the run, such as name and note."""
    with _locked(trial, *fields) as run:
        for name, value in fields.items():
            setattr(run, name, value)


@contextmanager
def _locked(trial: Trial, *columns: str) -> Iterator[Run]:
    """The run, locked; its columns are stored at the end. A trial of a sweep gets its
    row."""
    with transaction.atomic():
        Run.objects.get_or_create(trial=trial)
        run = Run.objects.select_for_update(of=("self",)).get(trial=trial)
        yield run
        run.save(update_fields=columns)
        Trial.objects.filter(pk=trial.pk).update(updated_at=Now())
    trial.run = run


def check_params(params: Mapping[str, str]) -> None:
    """Raises RunLogError for the first that cannot be logged."""
    _check(params, "parameter", MAX_PARAM_LENGTH)


def check_tags(tags: Mapping[str, str]) -> None:
    """The same for tags."""
    _check(tags, "tag", MAX_TAG_LENGTH)


def _check(entries: Mapping[str, str], kind: str, longest: int) -> None:
    for key, value in entries.items():
        if not 1 <= len(key) <= MAX_KEY_LENGTH or "\0" in key:
            shown = key if len(key) <= MAX_SHOWN else f"{key[:MAX_SHOWN]}…"
            raise RunLogError(
                "invalid",
                shown,
                f"The {kind}'s name {shown!r} has {len(key):,} characters; allowed are"
                f" 1 to {MAX_KEY_LENGTH} characters, none of them NUL.",
            )
        if len(value) > longest or "\0" in value:
            raise RunLogError(
                "invalid",
                key,
                f"The value of {kind} {key!r} has {len(value):,} characters; at most"
                f" {longest:,} are allowed, none of them NUL.",
            )
    check_count(entries, f"{kind}s")


def check_count(entries: Mapping[str, str], kind: str) -> None:
    """Raises RunLogError for more than a run can have."""
    if len(entries) > MAX_ENTRIES:
        last = list(entries)[MAX_ENTRIES]
        words = f"A run has at most {MAX_ENTRIES:,} {kind}; {last!r} is one too many."
        raise RunLogError("too_many", last, words)
