"""The contract of a sampler: pure, it chooses the next trial's configuration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from experiments.search.fields import Fields, Problem
from experiments.search.history import History
from experiments.search.records import JSONValue, Params
from experiments.search.space.space import SearchSpace


@dataclass(frozen=True)
class Suggestion:
    """A configuration, and where it came from: the sampler's word for its choice.

    `origin` is at most 40 characters, for people: "initial design", "model" …
    """

    params: Params
    origin: str


@dataclass(frozen=True, kw_only=True)
class Sampler(ABC):
    """Chooses configurations. What it chooses follows from the arguments alone.

    A sampler that does not need the history gives trial k by the seed and k only,
    whoever asks and in whatever order trials end. `budget` is the number of trials
    that the sweep may have, where it is known.
    """

    kind: ClassVar[str]
    needs_history: ClassVar[bool]

    space: SearchSpace
    seed: int
    budget: int | None = None

    @classmethod
    def read_own(cls, document: Fields) -> Mapping[str, JSONValue]:
        """This sampler's own settings, canonical, read from a document.

        They are what stands in the document beside `type` and `seed`; most have none.
        """
        return {}

    @classmethod
    def space_problems(cls, space: SearchSpace) -> Iterator[Problem]:
        """Why this sampler cannot search a space, by parameter."""
        return iter(())

    @classmethod
    def from_settings(
        cls,
        settings: Mapping[str, JSONValue],
        space: SearchSpace,
        *,
        budget: int | None = None,
    ) -> Sampler:
        """The sampler for canonical settings."""
        own: dict[str, Any] = {
            name: value
            for name, value in settings.items()
            if name in cls.__dataclass_fields__
        }
        return cls(**{**own, "space": space, "budget": budget})

    @abstractmethod
    def suggest(self, number: int, history: History | None = None) -> Suggestion | None:
        """The configuration of trial `number`, from 0; None: the space is exhausted.

        `history` holds every trial so far, also those that are queued or running; None
        is as good as one without trials.
        """

    def in_words(self, history: History | None = None) -> str:
        """What it is doing now and why, in one plain sentence."""
        return f"{self.kind.capitalize()} search."
