"""What has to be remembered of the axes decided so far, to judge a constraint later."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol, TypeAlias

Mark: TypeAlias = Hashable
# Whatever comes, the constraint holds; or it does not.
MET, BROKEN = None, object()


class Tracker(Protocol):
    """Follows one constraint from axis to axis."""

    @property
    def places(self) -> Sequence[int]:
        """The axes that it looks at, in order."""

    @property
    def start(self) -> Mark:
        """The mark before the first axis."""

    def toll(self, place: int) -> int:
        """How much one digit costs at an axis, in looks at a table."""

    def after(self, place: int, mark: Mark) -> Sequence[Mark]:
        """The marks after each digit of an axis."""

    def without(self, place: int, mark: Mark) -> Mark:
        """The mark where an axis is not active."""
