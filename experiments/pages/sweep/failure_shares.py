"""What the trials that failed alike share, against those that ran: a table in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.common_values import (
    HOST,
    Rows,
    compare_failed,
    value_text,
    values_text,
)
from experiments.failures import FailureGroup
from experiments.models import Sweep
from experiments.pages.space_axes import space_axes
from experiments.pages.sweep.charts import select
from experiments.pages.sweep.failure_evidence import Bars, bars_of
from experiments.search.figures import counted
from experiments.search.problems import DefinitionError, listed
from experiments.search.sharing import (
    LEAST,
    MOST_LISTED,
    Shared,
)
from experiments.search.space import SearchSpace
from experiments.spaces import axis_values, search_space
from experiments.words import share_text

# So many telling parameters are drawn.
MOST_DRAWN = 4
WORDS = {"only": "only these", "mostly": "mostly these", "same": "yes, as there"}


@dataclass(frozen=True)
class ShareRow:
    """One parameter: its values in the failed trials, in those that ran, and whether
    the failed share it."""

    name: str
    failed: str
    ran: str
    verdict: str
    tells: bool


@dataclass(frozen=True)
class Shares:
    """``failed`` and ``ran``: how many trials were compared; ``against``: which are
    those that ran; ``foot``: what it means; ``drawn``: how both spread over the values
    of what tells; ``constraint``: what leaves the failing region out, "" where none is
    clear."""

    failed: int
    ran: int
    against: str
    rows: Sequence[ShareRow]
    telling: Sequence[Shared]
    foot: str
    drawn: Sequence[Bars] = ()
    constraint: str = ""

    @property
    def chart_model(self) -> dict[str, Any]:
        """What static/js/charts/shares.js draws."""
        return {"failed": self.failed, "ran": self.ran, "parameters": list(self.drawn)}

    @property
    def chart_label(self) -> str:
        """The picture in a sentence, for those who do not see it."""
        told = [
            f"{row.name}: {row.failed} in the failed, {row.ran} in those that ran"
            for row in self.rows
            if row.tells
        ]
        return f"{'; '.join(told[: len(self.drawn)])}."

    @property
    def chart_selects(self) -> list[dict[str, Any]]:
        """The menu of parameters, where there are several."""
        names = [(bars["name"], bars["name"]) for bars in self.drawn]
        menu = select("parameter", "Which parameter", names)
        return [menu] if len(names) > 1 else []

    @property
    def words(self) -> str:
        """``batch_size 64 or 128``; "" where nothing tells."""
        return " and ".join(
            f"{shared.name} {values_text(shared.failed, joint=' or ')}"
            for shared in self.telling[:2]
        )


def shares_of(sweep: Sweep, group: FailureGroup) -> Shares | None:
    """None where there is nothing to compare."""
    found = compare_failed(sweep, group)
    if found is None:
        return None
    failed, ran = found.failed, found.ran
    telling = [shared for shared in found.values if shared.tells]
    return Shares(
        failed=len(failed),
        ran=len(ran),
        against=_against(found.ran_in, sweep, len(ran)),
        rows=[_row(shared) for shared in found.values],
        telling=telling,
        foot=_foot(sweep, telling, compared=len(ran) >= LEAST),
        drawn=_drawn(sweep, telling[:MOST_DRAWN], failed, ran),
        constraint=next((c for s in telling if (c := _usable(sweep, s))), ""),
    )


def _drawn(
    sweep: Sweep, telling: Sequence[Shared], failed: Rows, ran: Rows
) -> list[Bars]:
    axes = {axis["name"]: axis for axis in space_axes(search_space(sweep))}
    return [bars_of(s.name, axes.get(s.name), failed, ran) for s in telling]


def _usable(sweep: Sweep, shared: Shared) -> str:
    """The constraint, if it is about a parameter and leaves something to be tried."""
    axis = search_space(sweep).axes.get(shared.name)
    if axis is None or not shared.constraint:
        return ""
    left = [v for v in axis_values(axis) if v not in shared.failed.listed]
    if axis_values(axis) and not left:
        return ""
    rules = [*(sweep.definition.get("constraints") or ()), shared.constraint]
    space = sweep.definition.get("search_space")
    try:
        SearchSpace.parse(space, constraints=rules)
    except DefinitionError:
        return ""
    return shared.constraint


def _against(other: Sweep, sweep: Sweep, count: int) -> str:
    which = "" if other.pk == sweep.pk else f" of {other}"
    return f"Against the {counted(count, 'trial')}{which} that ran"


def _row(shared: Shared) -> ShareRow:
    return ShareRow(
        name=shared.name,
        failed=values_text(shared.failed),
        ran=values_text(shared.ran),
        verdict=WORDS.get(shared.verdict, "no"),
        tells=shared.tells,
    )


def _foot(sweep: Sweep, telling: Sequence[Shared], *, compared: bool) -> str:
    if not telling:
        return "Nothing that they share is more than chance." if compared else ""
    first = telling[0]
    if first.name == HOST:
        return "It is the host rather than the values."
    share = _share_of_space(sweep, first)
    return share or f"{first.name} tells them apart from those that ran."


def _share_of_space(sweep: Sweep, shared: Shared) -> str:
    """How much of a choice fails, where the space draws all of its values alike."""
    axis = search_space(sweep).axes.get(shared.name)
    values = axis_values(axis) if axis else []
    failing = [value for value in values if value in shared.failed.listed]
    if not failing or len(values) > MOST_LISTED:
        return ""
    names = listed([value_text(value) for value in values])
    share = share_text(len(failing) / len(values))
    return (
        f"The space has {shared.name} from {names}: about {share} of the sweep would"
        " fail like this."
    )
