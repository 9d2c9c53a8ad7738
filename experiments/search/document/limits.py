"""How much a sweep may do: `limits`, `retries` and `resources` of a document.

A size is a number of bytes, `512 MB` (powers of 1000) or `8 GiB` (powers of 1024).
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from experiments.search.document.durations import read_seconds, seconds_of
from experiments.search.fields import Fields, is_number, whole_number
from experiments.search.records import JSONValue

MIB = 1 << 20
MAX_BYTES = 1 << 50
POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
TEXT = re.compile(
    r"(\d{1,15}(?:\.\d{1,6})?)\s*(?:bytes?|([kmgt]?)(i?)b?)", re.IGNORECASE
)


def bytes_of(text: str) -> int | None:
    """The bytes of a size; None if the text is not one."""
    match = TEXT.fullmatch(text.strip()[:100])
    if match is None:
        return None
    amount, unit, binary = match.groups()
    power = POWERS[(unit or "").lower()]
    if binary and not power:
        return None
    unit_bytes: int = (1024 if binary else 1000) ** power
    return round(float(amount) * unit_bytes)


def read_bytes(document: Fields, key: str, *, least: int) -> int | None:
    """A size in bytes; None if left out."""
    value = document.raw(key)
    if value is None:
        return None
    size = bytes_of(value) if isinstance(value, str) else whole_number(value)
    if size is None or not least <= size <= MAX_BYTES:
        bound = f"of at least {least:,} bytes" if least > 1 else "above 0"
        allowed = f"a size {bound}, such as 512 MB, 8 GiB or a number of bytes"
        document.must_be(key, allowed, value=value)
        return None
    return size


MAX_TRIALS = 100_000
MAX_CONCURRENT = 10_000
MAX_ATTEMPTS = 10
MAX_GRACE = 600
MIN_MEMORY = 16 * MIB
MIN_OPEN_FILES, MAX_OPEN_FILES = 32, 1 << 20
# The first is the default.
CUT_OFF_CHOICES = ("stop", "ride_out")
MAX_GPUS = 64
MIN_PRIORITY, MAX_PRIORITY = -100, 100


@dataclass(frozen=True)
class Limits:
    """Numbers of trials, and durations in seconds (None: no limit).

    `timeout` is for the whole sweep, `trial_timeout` for one trial. More than
    `max_failed_trials` failures (None: any number) stop the sweep. `stop_grace` is the
    time that a stopped trial has to save its work (None: the site's default).
    """

    max_total_trials: int
    max_concurrent_trials: int
    timeout: float | None = None
    trial_timeout: float | None = None
    max_failed_trials: int | None = None
    stop_grace: float | None = None

    def dump(self) -> dict[str, JSONValue]:
        """The mapping form, without what is not limited."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True)
class Retries:
    """How often a trial runs again.

    `max_attempts` is the limit for failures of the infrastructure, and `on_failure` the
    number of further attempts after the script fails. `when_cut_off` says what a worker
    does with a trial when it cannot reach the site for longer than a lease.
    """

    max_attempts: int = 2
    on_failure: int = 0
    when_cut_off: str = CUT_OFF_CHOICES[0]

    def dump(self) -> dict[str, JSONValue]:
        """The mapping form, without the defaults of rare fields."""
        document: dict[str, JSONValue] = {"max_attempts": self.max_attempts}
        if self.on_failure:
            document["on_failure"] = self.on_failure
        if self.when_cut_off != Retries.when_cut_off:
            document["when_cut_off"] = self.when_cut_off
        return document


@dataclass(frozen=True)
class Resources:
    """What one trial needs from its host, and how much it may use.

    With `gpus` 0 it uses those of its slot. `memory` (of all its processes together)
    and `outputs` (the files that are kept) are in bytes; `open_files` is the limit for
    one process. None means no limit except those of the site and the worker.
    """

    gpus: int = 0
    memory: int | None = None
    open_files: int | None = None
    outputs: int | None = None

    def dump(self) -> dict[str, JSONValue]:
        """The mapping form, without what is not limited."""
        limits = {name: value for name, value in asdict(self).items() if value}
        return {"gpus": self.gpus, **limits}


def read_limits(document: Fields | None, *, default_total: int | None) -> Limits:
    """`limits`. Without a `default_total`, `max_total_trials` is required.

    `document` is None if the field was left out or is not a mapping, after noting it.
    """
    fallback = default_total or 1
    if document is None:
        return Limits(fallback, min(fallback, MAX_CONCURRENT))
    total = document.integer(
        "max_total_trials",
        fallback,
        least=1,
        most=MAX_TRIALS,
        required="40" if default_total is None else "",
    )
    concurrent = document.integer(
        "max_concurrent_trials",
        min(total, MAX_CONCURRENT),
        least=1,
        most=MAX_CONCURRENT,
    )
    limits = Limits(
        max_total_trials=total,
        max_concurrent_trials=concurrent,
        timeout=read_seconds(document, "timeout"),
        trial_timeout=read_seconds(document, "trial_timeout"),
        max_failed_trials=document.integer(
            "max_failed_trials", None, least=1, most=MAX_TRIALS
        ),
        stop_grace=_read_grace(document),
    )
    document.close()
    return limits


def _read_grace(document: Fields) -> float | None:
    given = document.raw("stop_grace")
    if given is None:
        return None
    grace = seconds_of(given) if isinstance(given, str) else given
    if not is_number(grace) or not 1 <= grace <= MAX_GRACE:
        allowed = f"from 1 to {MAX_GRACE} seconds, such as 30 s or 2 m"
        document.must_be("stop_grace", allowed, value=given)
        return None
    return grace


def read_retries(document: Fields | None) -> Retries:
    """`retries`; the default if left out."""
    if document is None:
        return Retries()
    attempts = document.integer(
        "max_attempts", Retries.max_attempts, least=1, most=MAX_ATTEMPTS
    )
    retries = Retries(
        max_attempts=attempts,
        on_failure=document.integer(
            "on_failure", Retries.on_failure, least=0, most=MAX_ATTEMPTS
        ),
        when_cut_off=document.option(
            "when_cut_off", Retries.when_cut_off, CUT_OFF_CHOICES
        ),
    )
    document.close()
    return retries


def read_resources(document: Fields | None) -> Resources:
    """`resources`; the default if left out."""
    if document is None:
        return Resources()
    gpus = document.integer("gpus", 0, least=0, most=MAX_GPUS)
    resources = Resources(
        gpus=gpus,
        memory=read_bytes(document, "memory", least=MIN_MEMORY),
        open_files=document.integer(
            "open_files", None, least=MIN_OPEN_FILES, most=MAX_OPEN_FILES
        ),
        outputs=read_bytes(document, "outputs", least=1),
    )
    document.close()
    return resources
