"""Every trial of a sweep so far, as arrays that samplers compute with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from experiments.search.records import Objective, Params, TrialRecord
from experiments.search.space.space import SearchSpace

PENDING, COMPLETED, TERMINATED, CANCELLED, FAILED = range(5)
CODES = {
    "queued": PENDING,
    "running": PENDING,
    "completed": COMPLETED,
    "terminated": TERMINATED,
    "cancelled": CANCELLED,
    "failed": FAILED,
}
# Trials that have not come to their own end: a final loss may be expected of them.
CUT_SHORT = frozenset({"running", "terminated", "cancelled"})
FIRST_SIZE = 64

Number = TypeVar("Number", bound=np.generic)
# Makes one mark for each configuration, from points and what is active in them.
Marking: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.bool_]], list[bytes]]


class OrderedColumn(Generic[Number]):
    """A column of a `History` in the order of the trials' numbers."""

    def __set_name__(self, owner: type[History], name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, history: History, owner: type[History]) -> NDArray[Number]:
        column: NDArray[Number] = getattr(history, self._name)[: len(history)]
        return column if history.is_sorted else column[history.order]


class History:
    """The trials of one sweep in the order of their numbers.

    `start` adds a trial, `update` sets its state and value, and `expect` the final loss
    to expect of one that did not run to its end. Each configuration is encoded once.
    All values are LOSSES: lower is better.

    With n trials and D axes there are `numbers` (n,), `points` (n, D) in the unit cube,
    `active` (n, D), `states` (n,) as codes of this module, `losses` (n,) with infinity
    where nothing finite was logged, and `reports` (n,). `expected` and `spread` (n,)
    are the expected final loss of a trial that did not run to its end and its standard
    deviation, NaN where nothing is expected.

    A configuration that the space could not have drawn, from an earlier version of the
    space or added by hand, has no point. It is only counted in `outside`.
    """

    numbers = OrderedColumn[np.int64]()
    points = OrderedColumn[np.float64]()
    active = OrderedColumn[np.bool_]()
    states = OrderedColumn[np.int8]()
    losses = OrderedColumn[np.float64]()
    reports = OrderedColumn[np.int64]()
    expected = OrderedColumn[np.float64]()
    spread = OrderedColumn[np.float64]()

    def __init__(self, space: SearchSpace, objective: Objective) -> None:
        self.space = space
        self.objective = objective
        self.outside = 0
        self._rows: dict[int, int] = {}
        self.is_sorted = True
        self._marks: set[bytes] = set()
        self._marked = 0
        axes = len(space.axes)
        self._numbers = np.empty(FIRST_SIZE, np.int64)
        self._points = np.empty((FIRST_SIZE, axes))
        self._active = np.empty((FIRST_SIZE, axes), np.bool_)
        self._states = np.empty(FIRST_SIZE, np.int8)
        self._losses = np.empty(FIRST_SIZE)
        self._reports = np.empty(FIRST_SIZE, np.int64)
        self._expected = np.empty(FIRST_SIZE)
        self._spread = np.empty(FIRST_SIZE)

    @classmethod
    def of(
        cls, space: SearchSpace, objective: Objective, records: Iterable[TrialRecord]
    ) -> History:
        """The history of some records, in any order."""
        history = cls(space, objective)
        for record in records:
            history.start(record.number, record.params)
            history.update(record.number, state=record.state, value=record.value)
        return history

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, number: int) -> bool:
        return number in self._rows

    def start(self, number: int, params: Params) -> None:
        """Add a trial, which waits or runs."""
        values = self.space.flat(params)
        try:
            point = self.space.encode(params)
        except ValueError:
            self.outside += 1
            return
        row = len(self._rows)
        if row == len(self._numbers):
            self._grow()
        if row and number < self._numbers[row - 1]:
            self.is_sorted = False
        self._rows[number] = row
        self._numbers[row] = number
        self._points[row] = point
        self._active[row] = [name in values for name in self.space.axes]
        self._states[row] = PENDING
        self._losses[row] = math.inf
        self._reports[row] = 0
        self._expected[row] = self._spread[row] = math.nan

    def update(
        self,
        number: int,
        *,
        state: str,
        value: float | None,
        reports: int | None = None,
    ) -> None:
        """Set a trial's state, and its best value in the metric's own sign.

        Without `reports` their number stays. The expected loss stays while the trial
        has a value and has not run to its end.
        """
        row = self._rows.get(number)
        if row is None:
            return
        self._states[row] = CODES[state]
        self._losses[row] = math.inf if value is None else self.objective.loss(value)
        if reports is not None:
            self._reports[row] = reports
        if value is None or state not in CUT_SHORT:
            self._expected[row] = self._spread[row] = math.nan

    def expect(self, number: int, *, loss: float, spread: float) -> None:
        """Set the final loss to expect of a trial that did not run to its end."""
        row = self._rows.get(number)
        if row is not None:
            self._expected[row], self._spread[row] = loss, spread

    @property
    def pending(self) -> NDArray[np.bool_]:
        """Which trials have not ended."""
        pending: NDArray[np.bool_] = self.states == PENDING
        return pending

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Which trials failed, or ended without a finite value."""
        failed: NDArray[np.bool_] = self.states == FAILED
        return failed | ~(self.pending | np.isfinite(self.losses))

    def marks(self, marking: Marking) -> set[bytes]:
        """The marks of all configurations, always by the same marking: each is made
        once."""
        new = slice(self._marked, len(self))
        self._marks.update(marking(self._points[new], self._active[new]))
        self._marked = len(self)
        return self._marks

    @property
    def order(self) -> NDArray[np.int64]:
        """The rows in the order of the trials' numbers."""
        return np.argsort(self._numbers[: len(self)])

    def _grow(self) -> None:
        for name, column in vars(self).items():
            if isinstance(column, np.ndarray):
                setattr(self, name, np.concatenate([column, np.empty_like(column)]))


def empty(space: SearchSpace, objective: Objective | None = None) -> History:
    """A history without trials."""
    return History(space, objective or Objective("loss", "minimize"))
