"""The specification of one attempt, which the site sends when a slot claims it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from experiments.runner.collectors.settings import (
    CollectorSettings,
    read_collectors,
)
from experiments.runner.limits import NO_LIMITS, TrialLimits, read_limits
from experiments.runner.sources import (
    Checkpoint,
    Code,
    Requirements,
    SourceError,
    read_checkpoint,
    read_code,
    read_folders,
    read_requirements,
)

PROTOCOL = 2
SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

Source = TypeVar("Source")


class SpecError(ValueError):
    """The specification is not valid."""


@dataclass(frozen=True, kw_only=True)
class AttemptSpec:
    """One attempt at a trial. Durations in seconds, sizes in bytes.

    `gpus` are the indexes of the devices that it may see; empty: all of the worker's.
    `folders` are the pool's, which it may write.
    """

    attempt: str
    trial: str
    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    code: Code | None
    folders: tuple[str, ...] = ()
    python: str = ""
    requirements: Requirements | None = None
    gpus: tuple[int, ...] = ()
    outputs_limit_bytes: int
    log_limit_bytes: int
    trial_timeout: float | None
    grace: float
    limits: TrialLimits = NO_LIMITS
    resume_from: Checkpoint | None = None
    collectors: CollectorSettings | None = None
    heartbeat_seconds: float
    lease_seconds: float | None = None
    rides_out: bool = False
    runner_token: str
    url: str


def parse_spec(text: bytes | str) -> AttemptSpec:
    """Read an AttemptSpec from its JSON text.

    Raises SpecError, which names the field and what is allowed.
    """
    try:
        fields = json.loads(text)
    except ValueError as problem:
        raise SpecError(f"the specification is not JSON: {problem}") from problem
    if not isinstance(fields, dict):
        raise SpecError("the specification must be a JSON object")
    _check_protocol(fields.get("protocol", PROTOCOL))
    return AttemptSpec(
        attempt=_identifier(fields, "attempt"),
        trial=_identifier(fields, "trial"),
        name=str(fields.get("name", "")),
        argv=_argv(fields.get("argv")),
        environment=_environment(fields.get("environment", {})),
        code=_source(read_code, fields.get("code")),
        folders=_source(read_folders, fields.get("folders")),
        python=str(fields.get("python") or ""),
        requirements=_source(read_requirements, fields.get("requirements")),
        gpus=_gpus(fields.get("gpus") or []),
        outputs_limit_bytes=int(_number(fields, "outputs_limit_bytes", 1 << 30)),
        log_limit_bytes=int(_number(fields, "log_limit_bytes", 10 << 20)),
        trial_timeout=_optional_number(fields, "trial_timeout"),
        grace=_number(fields, "grace", 10),
        limits=_source(read_limits, fields.get("limits")),
        resume_from=_source(read_checkpoint, fields.get("resume_from")),
        collectors=read_collectors(fields.get("collectors")),
        lease_seconds=_optional_number(fields, "lease_seconds"),
        rides_out=fields.get("when_cut_off") == "ride_out",
        heartbeat_seconds=max(0.05, _number(fields, "heartbeat_seconds", 5)),
        runner_token=_text(fields, "runner_token"),
        url=_site_url(fields),
    )


def _check_protocol(protocol: object) -> None:
    if protocol != PROTOCOL:
        raise SpecError(
            f"the site speaks worker protocol {protocol!r}, this worker {PROTOCOL}: "
            "upgrade the older of the two"
        )


def _identifier(fields: Mapping[str, object], name: str) -> str:
    """An id becomes a folder's name, so only harmless characters are allowed."""
    value = str(fields.get(name, ""))
    if not SAFE_ID.fullmatch(value):
        raise SpecError(
            f"{name} is {value[:80]!r}; allowed are 1 to 64 letters, digits, - and _"
        )
    return value


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise SpecError(f"{name} is missing; it must be a text")
    return value


def _site_url(fields: Mapping[str, object]) -> str:
    url = _text(fields, "url").rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise SpecError(f"url is {url!r}; it must begin with http:// or https://")
    return url


def _argv(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(map(_is_text, value)):
        raise SpecError('argv must be a list of texts, such as ["python", "train.py"]')
    return tuple(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _gpus(value: object) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(type(index) is int for index in value)
    if not isinstance(value, list) or not whole or any(index < 0 for index in value):
        raise SpecError("gpus must be a list of the devices' indexes, such as [0, 1]")
    return tuple(value)


def _environment(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise SpecError("environment must be an object of texts")
    for name, text in value.items():
        if not isinstance(text, str) or not name or "=" in name or "\0" in name + text:
            raise SpecError(f"environment has {name!r}; name and value must be texts")
    return value


def _source(read: Callable[[object], Source], value: object) -> Source:
    try:
        return read(value)
    except SourceError as problem:
        raise SpecError(str(problem)) from problem


def _number(fields: Mapping[str, object], name: str, default: float) -> float:
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SpecError(f"{name} is {value!r}; it must be a number")
    if not math.isfinite(value) or value < 0:
        raise SpecError(f"{name} is {value!r}; it must be zero or more")
    return float(value)


def _optional_number(fields: Mapping[str, object], name: str) -> float | None:
    return None if fields.get(name) is None else _number(fields, name, 0)


@dataclass(frozen=True)
class Prepared:
    """What a trial's preparation leaves for its start. `python` replaces that word in
    the command (empty: the worker's own), `path` comes first on PATH. `facts` belong to
    an environment's document."""

    python: str = ""
    path: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)


NOTHING_PREPARED = Prepared()
