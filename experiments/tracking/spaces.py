"""The search spaces that a sweep has had: which one counts for which trial.

A sweep's space may be changed while it runs. Old trials keep their values; new ones are
drawn from the new space, from the trial `began_at` on.

A sweep's search space, and configurations as rows of plain values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from experiments.models import SpaceVersion, Sweep, Trial
from experiments.search.fields import DefinitionError
from experiments.search.records import JSONValue
from experiments.search.samplers import log_base
from experiments.search.samplers.grid import Untried
from experiments.search.samplers.sampler import Sampler
from experiments.search.space.changes import is_valid_in, known_params
from experiments.search.space.conditions import Axis
from experiments.search.space.distribution import Branch, identity
from experiments.search.space.space import SearchSpace
from experiments.search.wording import counted

# The fields of a document that make up its space.
SPACE = ("search_space", "constraints")
MAX_COUNTED = 5_000


def space_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a sweep document that a space version keeps."""
    return {name: document[name] for name in SPACE if document.get(name)}


def parsed_space(sweep: Sweep, document: Mapping[str, Any]) -> SearchSpace | None:
    """The space of such a part; None for one that is not read any more."""
    base = log_base(sweep.definition.get("sampling_algorithm"))
    try:
        return SearchSpace.parse(
            document.get("search_space"),
            log_base=base,
            constraints=document.get("constraints"),
        )
    except DefinitionError:
        return None


def began_at(sweep: Sweep) -> int:
    """The number of the first trial that is drawn from the sweep's present space."""
    if sweep.space_version == 1:
        return 0
    versions = sweep.space_versions.order_by("-version")
    return versions.values_list("until", flat=True).first() or 0


def version_of(sweep: Sweep, number: int) -> int:
    """From which of the sweep's spaces, from 1, the trial of a number was drawn."""
    if sweep.space_version == 1:
        return 1
    later = sweep.space_versions.filter(until__gt=number).order_by("version").first()
    return later.version if later else sweep.space_version


def keep_version(sweep: Sweep, *, until: int, changed_by: Any) -> None:
    """Keep the space as it is now; another one counts from the trial `until` on."""
    SpaceVersion.objects.create(
        sweep=sweep,
        version=sweep.space_version,
        document=space_document(sweep.definition),
        until=until,
        changed_by=changed_by,
    )


def untried(sweep: Sweep, sampler: Sampler, *, before: int) -> Untried:
    """The sampler's choices without what the trials below a number have tried."""
    params = sweep.trials.filter(number__lt=before).values_list("params", flat=True)
    tried = (identity(known_params(sampler.space, each)) for each in params.iterator())
    return Untried(sampler, frozenset(tried))


def no_longer_counted(sweep: Sweep, space: SearchSpace) -> tuple[int, int]:
    """How many of the sweep's trials another space could not have drawn, of how many.

    Only the newest MAX_COUNTED are looked at.
    """
    newest = sweep.trials.order_by("-number")[:MAX_COUNTED]
    params = list(newest.values_list("params", flat=True))
    outside = sum(not is_valid_in(space, each) for each in params)
    return outside, len(params)


# Feeds ask for the same few spaces again and again, and counting one may take a while.
MAX_KEPT = 32


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


@lru_cache(maxsize=MAX_KEPT)
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
    distinct = getattr(axis.distribution, "distinct", ())
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
            return ", ".join(branch.distributions) or counted(0, "parameter")
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in branch.constants.items()
    )
