"""What an early-termination policy sees, and what it answers.

Every number here is a LOSS: lower is better, and infinity means no finite value. Two
modules implement it with `experiments.search.rungs`: `experiments.search.standings` for
the study and the policy simulator, `experiments.tracking.judging` for stored sweeps.
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

# A policy learns from at most this many finished trials, the latest by number.
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
    """One trial after its n-th report: the best of its finite LOSSES so far.

    It is infinity until a finite value was reported. `last` is the loss of the n-th
    report, infinity if that was not finite.
    """

    report: int
    best: float
    last: float = math.inf

    @property
    def silent(self) -> bool:
        """Whether no finite value was reported yet."""
        return math.isinf(self.best)


class Ranked(NamedTuple):
    """A trial's number and its best LOSS up to the judged report."""

    number: int
    loss: float


class Rivals(ABC):
    """The sweep's other trials that reported at least n times, up to their n-th report.

    They may be in any state. Of equal losses the lower trial number comes first, and
    trials without a finite value come last. Places are counted from 0.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def leader(self) -> Ranked | None:
        """The lowest best(n); None if no rival has a finite value."""

    @abstractmethod
    def ranked_by_mean(self, place: int, count: int) -> Sequence[Ranked]:
        """`count` rivals in order of mean(n), from `place` on, with their means."""

    def median_of_means(self) -> tuple[float, tuple[int, ...]]:
        """The median of mean(n), and the numbers of the one or two median trials.

        With an even number of rivals it is the mean of two; without rivals infinity.
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
    def ranked_by_value(self, place: int) -> Ranked:
        """The rival with the place-th lowest loss at report n, with that loss.

        Where that report was not finite, the last finite one before it counts.
        """

    @abstractmethod
    def better_than(self, loss: float) -> int:
        """How many rivals have a best(n) strictly lower than a loss."""

    @abstractmethod
    def ranked(self, place: int) -> Ranked:
        """The rival with the place-th lowest best(n)."""

    @abstractmethod
    def before(self, count: int) -> Sequence[Ranked]:
        """The `count` rivals with the next lower trial numbers, the nearest first."""

    @abstractmethod
    def only_running(self) -> Rivals:
        """The rivals that have not ended."""


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
        """The losses of each, report by report. Do not change them."""

    @abstractmethod
    def best_of_all(self) -> float:
        """The lowest loss of ANY other trial in the sweep; infinity for none."""

    def derived(self, make: Callable[[Finished], T]) -> T:
        """What `make` computes from the curves of these trials.

        An implementation may cache it while the trials stay the same, so `make` must
        depend on `numbers` and `curves` only.
        """
        return make(self)


class Evidence(ABC):
    """One report of one trial, and the other trials of its sweep."""

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

    def best_at(self, report: int) -> float:
        """The trial's own best loss up to an earlier report, from 1."""
        return float(np.min(self.losses()[:report]))

    @property
    @abstractmethod
    def rivals(self) -> Rivals:
        """The trials that it is compared with."""

    @abstractmethod
    def rivals_at(self, report: int) -> Rivals:
        """The other trials up to an earlier report, including those that ended then."""

    @property
    @abstractmethod
    def finished(self) -> Finished:
        """The trials that a prediction can learn from."""


@dataclass(frozen=True)
class Grounds:
    """Why a ruling was made, in words.

    `clause` is the end of a sentence, without its full stop. `best` is the trial's own
    best if the sentence names it before the clause. `limit` says what the threshold
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
    """A policy's answer after one report, with its inputs.

    `value` (what was compared: the trial's own best, if the policy does not say
    otherwise) and `threshold` are in the METRIC'S OWN SIGN, None if not finite.
    `rivals` counts the trials compared with, and `setters` are the numbers of those
    that set the threshold: the leader, or one or two median trials. `reason`
    is one plain sentence, never empty. `facts` has further finite numbers by name, such
    as a chance. `grounds` has the parts of the sentence.
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
