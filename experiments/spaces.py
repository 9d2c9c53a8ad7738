"""A sweep's search space, and configurations as rows of plain values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from experiments.models import Sweep, Trial
from experiments.search.axes import Axis
from experiments.search.branch import Branch
from experiments.search.figures import counted
from experiments.search.problems import DefinitionError
from experiments.search.records import JSONValue
from experiments.search.samplers import log_base
from experiments.search.space import SearchSpace
from experiments.search.values import identity

# Feeds ask for the same few spaces again and again, and counting one may take a while.
MOST_KEPT = 32


def search_space(sweep: Sweep | None) -> SearchSpace:
    """The parsed search space; an empty one for a document that no longer reads."""
    definition = sweep.definition if sweep is not None else {}
    settings = definition.get("sampling_algorithm")
    base = log_base(settings if isinstance(settings, dict) else None)
    parts = (definition.get("search_space"), definition.get("constraints"))
    return _parsed(json.dumps(parts), base)


def earlier_spaces(sweep: Sweep | None) -> list[SearchSpace]:
    """Those that it had before, the last one first; some of its trials are of them."""
    if sweep is None or sweep.space_version == 1:
        return []
    settings = sweep.definition.get("sampling_algorithm")
    base = log_base(settings if isinstance(settings, dict) else None)
    documents = sweep.space_versions.order_by("-version").values_list(
        "document", flat=True
    )
    parts = ((each.get("search_space"), each.get("constraints")) for each in documents)
    return [_parsed(json.dumps(each), base) for each in parts]


@lru_cache(maxsize=MOST_KEPT)
def _parsed(text: str, base: float) -> SearchSpace:
    space, constraints = json.loads(text)
    try:
        return SearchSpace.parse(space, log_base=base, constraints=constraints)
    except DefinitionError:
        return SearchSpace({})


def flat_params(space: SearchSpace, params: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with a value for each active axis, in the order of the space.

    The parameters of a nested choice's branch stand beside the choice, which itself is
    shown as the branch's label. What the space does not allow stays as it is.
    """
    return flat_configurations(space, [params])[0]


def flat_configurations(
    space: SearchSpace, configurations: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The same of many configurations."""
    if not any(axis.branches for axis in space.axes.values()):
        return [dict(params) for params in configurations]
    return [_flat(space, params) for params in configurations]


def _flat(space: SearchSpace, params: Mapping[str, Any]) -> dict[str, Any]:
    values = space.flat(params)
    found = {
        name: _shown(axis, values[name]) if name in values else params[name]
        for name, axis in space.axes.items()
        if name in values or name in params
    }
    return found | {name: params[name] for name in params if name not in found}


def trial_params(trial: Trial) -> dict[str, Any]:
    """The trial's values by the axes of its own sweep's space."""
    return flat_params(search_space(trial.sweep), trial.params)


def axis_values(axis: Axis) -> list[JSONValue]:
    """The distinct values of a choice's axis, as `flat_params` shows them."""
    distinct = getattr(axis.law, "distinct", ())
    return [_shown(axis, value) for value in distinct]


def _shown(axis: Axis, value: JSONValue) -> JSONValue:
    if not axis.branches:
        return value
    key = identity(value)
    if key not in axis.branches:
        return value
    label = _label(axis.branches[key])
    alike = [k for k, branch in axis.branches.items() if _label(branch) == label]
    return label if len(alike) == 1 else f"{label} ({alike.index(key) + 1})"


def _label(branch: Branch) -> str:
    """``conv`` for a branch with one text, ``kind conv, bias true`` for more; what has
    no constants is told by its parameters."""
    match list(branch.constants.values()):
        case [str(only)] if only:
            return only
        case []:
            return ", ".join(branch.laws) or counted(0, "parameter")
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in branch.constants.items()
    )
