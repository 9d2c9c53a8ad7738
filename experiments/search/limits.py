"""How much a sweep may do: `limits`, `retries` and `resources` of a document."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from experiments.search.durations import read_seconds
from experiments.search.fields import Fields
from experiments.search.records import JSONValue

MOST_TRIALS = 100_000
MOST_CONCURRENT = 10_000
MOST_ATTEMPTS = 10
MOST_GPUS = 64


@dataclass(frozen=True)
class Limits:
    """Numbers of trials, and durations in seconds (None: no limit).

    `timeout` is for the whole sweep, `trial_timeout` for one trial. More than
    `max_failed_trials` failures (None: any number) stop the sweep.
    """

    max_total_trials: int
    max_concurrent_trials: int
    timeout: float | None = None
    trial_timeout: float | None = None
    max_failed_trials: int | None = None

    def dump(self) -> dict[str, JSONValue]:
        """The mapping form; what is not limited is left out."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True)
class Retries:
    """`max_attempts` at one trial, when the infrastructure is what fails."""

    max_attempts: int = 2


@dataclass(frozen=True)
class Resources:
    """What one trial needs of its host. Without `gpus` it takes what its slot has."""

    gpus: int = 0


def read_limits(document: Fields | None, *, default_total: int | None) -> Limits:
    """`limits`. Without a `default_total`, `max_total_trials` is required.

    `document` is None when the field was left out or is no mapping, which has then been
    noted.
    """
    fallback = default_total or 1
    if document is None:
        return Limits(fallback, min(fallback, MOST_CONCURRENT))
    total = document.integer(
        "max_total_trials",
        fallback,
        least=1,
        most=MOST_TRIALS,
        required="40" if default_total is None else "",
    )
    concurrent = document.integer(
        "max_concurrent_trials",
        min(total, MOST_CONCURRENT),
        least=1,
        most=MOST_CONCURRENT,
    )
    limits = Limits(
        max_total_trials=total,
        max_concurrent_trials=concurrent,
        timeout=read_seconds(document, "timeout"),
        trial_timeout=read_seconds(document, "trial_timeout"),
        max_failed_trials=document.integer(
            "max_failed_trials", None, least=1, most=MOST_TRIALS
        ),
    )
    document.close()
    return limits


def read_retries(document: Fields | None) -> Retries:
    """`retries`; the default when left out."""
    if document is None:
        return Retries()
    attempts = document.integer(
        "max_attempts", Retries.max_attempts, least=1, most=MOST_ATTEMPTS
    )
    document.close()
    return Retries(attempts)


def read_resources(document: Fields | None) -> Resources:
    """`resources`; the default when left out."""
    if document is None:
        return Resources()
    gpus = document.integer("gpus", 0, least=0, most=MOST_GPUS)
    document.close()
    return Resources(gpus)
