"""What every sampler does: it chooses the next trial's configuration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from experiments.search.fields import Fields, Problem
from experiments.search.history import History, empty
from experiments.search.records import JSONValue, Params
from experiments.search.space.space import SearchSpace


@dataclass(frozen=True)
class Suggestion:
    """A configuration, and how the sampler found it.

    `origin` is for people, at most 40 characters: "initial design", "model" …
    """

    params: Params
    origin: str


@dataclass(frozen=True, kw_only=True)
class Sampler(ABC):
    """Chooses configurations. The same arguments always give the same choice.

    A sampler that does not need the history derives trial k from the seed and k only,
    so the order in which trials end does not matter. `budget` is the number of trials
    that the sweep may have, if it is known. With `explores`, most trials end early, and
    varied proposals are worth more than small steps from the best.

    `title` is its name, and `advice` a sentence about when to pick it.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    advice: ClassVar[str]
    needs_history: ClassVar[bool]

    space: SearchSpace
    seed: int
    budget: int | None = None
    explores: bool = False

    @classmethod
    def read_own(cls, document: Fields) -> Mapping[str, JSONValue]:
        """The sampler's own settings in a document, without `type` and `seed`."""
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
        explores: bool = False,
    ) -> Sampler:
        """The sampler for canonical settings."""
        own: dict[str, Any] = {
            name: value
            for name, value in settings.items()
            if name in cls.__dataclass_fields__
        }
        return cls(**{**own, "space": space, "budget": budget, "explores": explores})

    def suggest(self, number: int, history: History | None = None) -> Suggestion | None:
        """The configuration of trial `number`, from 0; None if the space is exhausted.

        `history` holds every trial so far, including those that are queued or running.
        Without it there are no trials yet.
        """
        return self.propose(number, self._known(history))

    def in_words(self, history: History | None = None) -> str:
        """What it does now and why, in one plain sentence."""
        return self.describe(self._known(history))

    @abstractmethod
    def propose(self, number: int, history: History) -> Suggestion | None:
        """What `suggest` returns."""

    @abstractmethod
    def describe(self, history: History) -> str:
        """What `in_words` returns."""

    def _known(self, history: History | None) -> History:
        return empty(self.space) if history is None else history
