"""What an early-termination policy may look at, and what it answers.

Every number here is a LOSS: lower is better, and infinity means no finite value. Two
modules answer: `experiments.search.standings` from memory, for the study and the
policy simulator, and `experiments.tracking.rivals` from the rows of a stored sweep.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

# A policy learns from at most so many finished trials, those with the highest numbers.
MAX_FINISHED = 256

# What pages draw in another way in a clause: the trial's own best, and links to trials.
MARK = re.compile(r"\[(best|trial) ([^]]+)\]")

T = TypeVar("T")


def best_mark(text: str) -> str:
    """The trial's own best in a clause."""
    return f"[best {text}]"


def trial_mark(number: int) -> str:
    """Another trial in a clause."""
    return f"[trial {number}]"


def without_marks(clause: str) -> str:
    return MARK.sub(
        lambda mark: f"trial {mark[2]}" if mark[1] == "trial" else mark[2], clause
    )


class Standing(NamedTuple):
    """One trial after its n-th report: best and mean of the finite losses so far.

    Both are infinity as long as no finite value was reported. `last` is the loss of
    the n-th report itself, infinity when that was not finite.
    """

    report: int
    best: float
    mean: float
    last: float = math.inf

    @property
    def silent(self) -> bool:
        """Whether no finite value was reported yet."""
        return math.isinf(self.best)


class Ranked(NamedTuple):
    """A trial's number and its best loss up to the report that is judged."""

    number: int
    loss: float


class Rivals(ABC):
    """The sweep's other trials that reported at least n times, cut at their n-th.

    They may be in any state. Where losses are equal the lower trial number comes
    first, and those without a finite value come last. Places are counted from 0.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def leader(self) -> Ranked | None:
        """The lowest best(n); None when no rival has a finite value."""

    @abstractmethod
    def ranked_by_mean(self, place: int, count: int) -> Sequence[Ranked]:
        """``count`` rivals from the place-th lowest mean(n) on, with that mean."""

    def median_of_means(self) -> tuple[float, tuple[int, ...]]:
        """The median of mean(n), and the numbers of the middle one or two trials.

        With an even number of rivals it is the mean of the middle two; infinity and
        no numbers without rivals.
        """
        count = len(self)
        if not count:
            return math.inf, ()
        middle = self.ranked_by_mean((count - 1) // 2, 2 - count % 2)
        if len(middle) == 1:
            return middle[0].loss, (middle[0].number,)
        lower, upper = middle
        first, second = sorted((lower.number, upper.number))
        return lower.loss / 2 + upper.loss / 2, (first, second)

    @abstractmethod
    def better_than(self, loss: float) -> int:
        """How many rivals have a best(n) strictly lower than a loss."""

    @abstractmethod
    def ranked(self, place: int) -> Ranked:
        """The rival with the place-th lowest best(n)."""

    @abstractmethod
    def only_running(self) -> Rivals:
        """Those of them that have not ended."""


class Finished(ABC):
    """The other trials that ran to their own end with a finite value.

    At most MAX_FINISHED of them: the latest by number, in ascending order.
    """

    @property
    @abstractmethod
    def numbers(self) -> NDArray[np.int64]:
        """Their trial numbers."""

    @property
    @abstractmethod
    def lengths(self) -> NDArray[np.int64]:
        """How often each of them reported."""

    @abstractmethod
    def curves(self) -> list[NDArray[np.float64]]:
        """The losses of each, report by report: never to be written to."""

    @abstractmethod
    def best_of_all(self) -> float:
        """The lowest loss of ANY other trial of the sweep, in whatever state.

        Infinity when there is none.
        """

    def derived(self, make: Callable[[Finished], T]) -> T:
        """What `make` works out from the curves of these trials.

        An implementation may keep the answer as long as the trials stay the same, so
        `make` must rest on nothing but `numbers` and `curves`.
        """
        return make(self)


class Evidence(ABC):
    """One report of one trial, as it stands among the trials of its sweep."""

    @property
    @abstractmethod
    def number(self) -> int:
        """The trial's number."""

    @property
    @abstractmethod
    def report(self) -> int:
        """How often the trial has reported the primary metric, this time included."""

    @property
    @abstractmethod
    def own(self) -> Standing:
        """The trial's own standing after this report."""

    @abstractmethod
    def losses(self) -> NDArray[np.float64]:
        """The trial's own losses, report by report; their length is `report`."""

    @property
    @abstractmethod
    def rivals(self) -> Rivals:
        """The trials that it is compared with."""

    @property
    @abstractmethod
    def finished(self) -> Finished:
        """The trials that a prediction can learn from."""


@dataclass(frozen=True)
class Grounds:
    """What a ruling rests on, in words.

    `clause` is the end of a sentence, without its full stop. `best` is the trial's own
    best where the sentence names it before the clause. `limit` says what the threshold
    is, and ends the clause; "" where there is none. Clause and limit may have marks.
    """

    clause: str
    best: str = ""
    limit: str = ""

    def sentence(self, report: int, *, stop: bool) -> str:
        start = "Ended after" if stop else "Kept at"
        best = f" with {self.best}" if self.best else ""
        return f"{start} report {report}{best}: {without_marks(self.clause)}."


@dataclass(frozen=True)
class Verdict:
    """A policy's answer after one report, with all that it rests on.

    `value` (the trial's own best) and `threshold` are in the METRIC'S OWN SIGN, None
    where there is no finite one. `rivals` counts the trials compared with. `setters`
    are the numbers of the rivals that set the threshold: the leader, or the middle one
    or two. `reason` is one plain sentence, never empty. `facts` holds finite numbers
    of the policy's own, such as a chance, by name. `grounds` has the parts of the
    sentence.
    """

    stop: bool
    report: int
    value: float | None
    threshold: float | None
    rivals: int
    setters: tuple[int, ...]
    reason: str
    facts: Mapping[str, float] = field(default_factory=dict)
    grounds: Grounds = Grounds("")
