"""The search spaces that a sweep has had: which one counts for which trial.

A sweep's space may be changed while it runs. Old trials keep their values; new ones are
drawn from the new space, from the trial `began_at` on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.models import SpaceVersion, Sweep
from experiments.search.problems import DefinitionError
from experiments.search.samplers import log_base
from experiments.search.samplers.sampler import Sampler
from experiments.search.samplers.untried import Untried
from experiments.search.space import SearchSpace
from experiments.search.space_changes import carried, still_counts
from experiments.search.values import identity

# The fields of a document that make up its space.
SPACE = ("search_space", "constraints")
MOST_COUNTED = 5_000


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
    tried = (identity(carried(sampler.space, each)) for each in params.iterator())
    return Untried(sampler, frozenset(tried))


def no_longer_counted(sweep: Sweep, space: SearchSpace) -> tuple[int, int]:
    """How many of the sweep's trials another space could not have drawn, of how many.

    Only the newest MOST_COUNTED are looked at.
    """
    newest = sweep.trials.order_by("-number")[:MOST_COUNTED]
    params = list(newest.values_list("params", flat=True))
    outside = sum(not still_counts(space, each) for each in params)
    return outside, len(params)
