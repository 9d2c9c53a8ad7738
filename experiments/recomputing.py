"""Configurations of trials whose rows were deleted, computed again from their numbers.

What random, grid and sobol choose follows from the seed and the number alone. Other
samplers choose by results, which were other ones then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from experiments.models import Sweep
from experiments.models.trials import Origin
from experiments.search.problems import DefinitionError
from experiments.search.samplers import Sampler, make_sampler
from experiments.space_versions import parsed_space


@dataclass(frozen=True)
class Recomputed:
    """`params` is None where they cannot be known; `words` say why, or whence."""

    params: Mapping[str, Any] | None
    words: str


class Recomputer:
    """Recomputes configurations of one sweep; rows are read once for all of them."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep

    def configuration(self, number: int) -> Recomputed:
        if number in self._wished:
            words = "Deleted; somebody had asked for it, with these values."
            return Recomputed(self._wished[number], words)
        if number < self._imported:
            return Recomputed(None, "Deleted; it was imported, so its values are gone.")
        version = self._version(number)
        sampler = self._sampler(version)
        if sampler is None:
            return Recomputed(None, "Deleted; its search space no longer reads.")
        if sampler.needs_history:
            return Recomputed(None, _by_results(sampler.kind))
        if version > 1 and sampler.space.is_finite:
            words = (
                "Deleted; the search space had been changed before, and what it was"
                " depends on the trials of then."
            )
            return Recomputed(None, words)
        found = sampler.suggest(number - self._unchosen_before(number))
        if found is None:
            return Recomputed(None, "Deleted; the space has no such configuration.")
        return Recomputed(found.params, "Deleted; its values follow from the seed.")

    @cached_property
    def _wished(self) -> dict[int, Mapping[str, Any]]:
        """Values of begun wishes by their trials' numbers."""
        begun = self.sweep.wishes.filter(number__isnull=False)
        rows = begun.values_list("number", "params")
        return {number: params for number, params in rows if number is not None}

    @cached_property
    def _imported(self) -> int:
        return self.sweep.trials.filter(origin=Origin.IMPORTED).next_number()

    @cached_property
    def _unchosen(self) -> list[int]:
        """Numbers of trials that no sampler chose, but for imported ones, in order."""
        there = self.sweep.trials.requested().values_list("number", flat=True)
        return sorted({*there, *self._wished})

    def _unchosen_before(self, number: int) -> int:
        return bisect_left(self._unchosen, number) + self._imported

    def _version(self, number: int) -> int:
        """From which of the sweep's spaces the trial was drawn."""
        later = (version for until, version in self._versions if until > number)
        return next(later, self.sweep.space_version)

    @cached_property
    def _versions(self) -> list[tuple[int, int]]:
        """Up to which number each earlier space counted, in order."""
        versions = self.sweep.space_versions.order_by("version")
        return list(versions.values_list("until", "version"))

    def _sampler(self, version: int) -> Sampler | None:
        if version not in self._samplers:
            self._samplers[version] = self._made(version)
        return self._samplers[version]

    @cached_property
    def _samplers(self) -> dict[int, Sampler | None]:
        return {}

    def _made(self, version: int) -> Sampler | None:
        document: Mapping[str, Any] = self.sweep.definition
        if version != self.sweep.space_version:
            kept = self.sweep.space_versions.filter(version=version).first()
            document = kept.document if kept else {}
        space = parsed_space(self.sweep, document)
        try:
            settings = self.sweep.definition["sampling_algorithm"]
            return None if space is None else make_sampler(settings, space)
        except (DefinitionError, KeyError):
            return None


def _by_results(kind: str) -> str:
    return (
        f"Deleted; {kind} chooses by the results of its time, so its values cannot be"
        " computed again."
    )
