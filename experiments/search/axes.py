"""The parameters of a space as axes, those inside nested choices among them.

An axis is one number to choose. The parameters of a branch become axes of their own
with the name `choice.inner`; they are active only while their branch is chosen.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace

from experiments.search.branch import Branch
from experiments.search.choice import Choice
from experiments.search.distribution import Distribution


@dataclass(frozen=True)
class Gate:
    """What an axis needs of another one: that it is active with one of some values.

    `keys` are the values' keys by the other axis's law. An `open` gate lets pass
    also while the other axis is not active.
    """

    axis: str
    keys: frozenset[Hashable]
    open: bool = False


@dataclass(frozen=True)
class Axis:
    """One dimension of a space.

    `address` is how documents name it: `choice.inner` for every branch, while the
    names of axes differ (`choice.1.inner`) where branches give one name different
    laws. An axis is active when all its gates let it pass. `inner` maps the key of a
    branch to the axes of the branch's own parameters.
    """

    name: str
    address: str
    law: Distribution
    gates: tuple[Gate, ...] = ()
    inner: Mapping[Hashable, Mapping[str, str]] = field(default_factory=dict)

    @property
    def branches(self) -> Mapping[str, Branch]:
        """The branches by key; empty for anything but a nested choice."""
        return self.law.branches if isinstance(self.law, Choice) else {}


def laid_out(parameters: Mapping[str, Distribution]) -> dict[str, Axis]:
    """Every axis by name, in document order; without the gates of conditions."""
    axes: dict[str, Axis] = {}
    for name, law in parameters.items():
        _add(axes, Axis(name, name, law))
    return axes


def _add(axes: dict[str, Axis], axis: Axis) -> None:
    axes[axis.name] = axis
    inner: dict[Hashable, dict[str, str]] = {
        key: {
            name: _add_inner(axes, axis, (number, key), name, law)
            for name, law in branch.laws.items()
        }
        for number, (key, branch) in enumerate(axis.branches.items())
    }
    axes[axis.name] = replace(axis, inner=inner)


def _add_inner(
    axes: dict[str, Axis],
    outer: Axis,
    branch: tuple[int, str],
    name: str,
    law: Distribution,
) -> str:
    """The name of the axis for one entry of a branch (its number and key).

    Branches that give a name the same law share its axis.
    """
    number, key = branch
    own = f"{outer.name}.{name}"
    twin = axes.get(own)
    if twin is not None and repr(twin.law) == repr(law):
        (gate,) = twin.gates
        axes[own] = replace(twin, gates=(replace(gate, keys=gate.keys | {key}),))
        return own
    if twin is not None:
        own = f"{outer.name}.{number}.{name}"
    gate = Gate(outer.name, frozenset([key]))
    _add(axes, Axis(own, f"{outer.address}.{name}", law, (gate,)))
    return own
