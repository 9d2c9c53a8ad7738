"""A sweep's search spaces, present and earlier, and configurations as flat values.

A space can be changed while its sweep runs. Existing trials keep their values; trials
from the number `began_at` on are drawn from the new space.
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
PYTHON_NAMES: Mapping[str, JSONValue] = {"True": True, "False": False, "None": None}
# Feeds need the same few spaces again and again, and parsing one may take a while.
MAX_KEPT = 32


def space_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a sweep document that a space version stores."""
    return {name: document[name] for name in SPACE if document.get(name)}


def parsed_space(sweep: Sweep, document: Mapping[str, Any]) -> SearchSpace | None:
    """The space of such a part; None if this version can no longer parse it."""
    settings = sweep.definition.get("sampling_algorithm")
    base = log_base(settings if isinstance(settings, dict) else None)
    parts = [document.get(name) for name in SPACE]
    return _parsed(json.dumps(parts, default=str), base)


@lru_cache(maxsize=MAX_KEPT)
def _parsed(text: str, base: float) -> SearchSpace | None:
    space, constraints = json.loads(text)
    try:
        return SearchSpace.parse(space, log_base=base, constraints=constraints)
    except DefinitionError:
        return None


def search_space(sweep: Sweep | None) -> SearchSpace:
    """The sweep's present space; an empty one if it can no longer be parsed."""
    found = parsed_space(sweep, sweep.definition) if sweep is not None else None
    return found or SearchSpace({})


def earlier_spaces(sweep: Sweep | None) -> list[SearchSpace]:
    """The spaces that the sweep had before, the last one first."""
    if sweep is None or sweep.space_version == 1:
        return []
    versions = sweep.space_versions.order_by("-version")
    documents = versions.values_list("document", flat=True)
    return [parsed_space(sweep, each) or SearchSpace({}) for each in documents]


def began_at(sweep: Sweep) -> int:
    """The number of the first trial that is drawn from the sweep's present space."""
    if sweep.space_version == 1:
        return 0
    versions = sweep.space_versions.order_by("-version")
    return versions.values_list("until", flat=True).first() or 0


def version_of(sweep: Sweep, number: int) -> int:
    """The version, from 1, of the space from which the trial of a number was drawn."""
    if sweep.space_version == 1:
        return 1
    later = sweep.space_versions.filter(until__gt=number).order_by("version").first()
    return later.version if later else sweep.space_version


def keep_version(sweep: Sweep, *, until: int, changed_by: Any) -> None:
    """Store the present space; trials from `until` on are drawn from another one."""
    SpaceVersion.objects.create(
        sweep=sweep,
        version=sweep.space_version,
        document=space_document(sweep.definition),
        until=until,
        changed_by=changed_by,
    )


def untried(sweep: Sweep, sampler: Sampler, *, before: int) -> Untried:
    """The sampler's choices without those of trials below a number."""
    params = sweep.trials.filter(number__lt=before).values_list("params", flat=True)
    tried = (identity(known_params(sampler.space, each)) for each in params.iterator())
    return Untried(sampler, frozenset(tried))


def no_longer_counted(sweep: Sweep, space: SearchSpace) -> tuple[int, int]:
    """How many of the sweep's newest MAX_COUNTED trials lie outside another space, and
    how many were counted."""
    newest = sweep.trials.order_by("-number")[:MAX_COUNTED]
    params = list(newest.values_list("params", flat=True))
    outside = sum(not is_valid_in(space, each) for each in params)
    return outside, len(params)


def flat_params(space: SearchSpace, params: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with a value for each active axis, in the order of the space.

    A nested choice becomes its branch's label, and the branch's parameters follow as
    values of their own. Values outside the space stay as they are.
    """
    return flat_configurations(space, [params])[0]


def flat_configurations(
    space: SearchSpace, configurations: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The same for many configurations."""
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
    """The trial's values by the axes of its own sweep's space; of a run, what its
    program logged."""
    if trial.sweep_id is None:
        return {name: value_of(text) for name, text in trial.run.params.items()}
    return flat_params(search_space(trial.sweep), trial.params)


def value_of(text: str) -> JSONValue:
    """A value that was logged as text: as JSON or Python writes it, else the text."""
    if text in PYTHON_NAMES:
        return PYTHON_NAMES[text]
    try:
        value: JSONValue = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return text
    return value


def _no_number(name: str) -> JSONValue:
    """NaN and the infinities stay text."""
    raise ValueError(name)


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
    """``conv`` for a branch with one text, ``kind conv, bias true`` for more; a branch
    without constants is named by its parameters."""
    match list(branch.constants.values()):
        case [str(only)] if only:
            return only
        case []:
            return ", ".join(branch.distributions) or counted(0, "parameter")
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in branch.constants.items()
    )
