"""Samplers by the name that a sweep document uses.

A new sampler is a subclass of `Sampler` and a line in SAMPLERS, which has them in the
order in which forms offer them.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType

from experiments.search.fields import Diagnostics, Fields, join, unknown_name
from experiments.search.records import JSONValue
from experiments.search.samplers.auto import AutoSampler
from experiments.search.samplers.bayesian import BayesianSampler
from experiments.search.samplers.cmaes import CmaesSampler
from experiments.search.samplers.grid import GridSampler
from experiments.search.samplers.random import RandomSampler
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.samplers.sobol import SobolSampler
from experiments.search.samplers.tpe import TpeSampler
from experiments.search.space.space import SearchSpace

SAMPLERS: Mapping[str, type[Sampler]] = MappingProxyType(
    {
        sampler.kind: sampler
        for sampler in (
            AutoSampler,
            BayesianSampler,
            TpeSampler,
            CmaesSampler,
            SobolSampler,
            RandomSampler,
            GridSampler,
        )
    }
)

MAX_SEED = 2**63 - 1


def fresh_seed() -> int:
    """A random seed, short enough to read aloud."""
    return secrets.randbelow(2**31)


def read_sampling(
    value: object,
    diagnostics: Diagnostics,
    *,
    path: str,
    default: str = "random",
    new_seed: Callable[[], int] = fresh_seed,
) -> dict[str, JSONValue] | None:
    """The canonical settings of a document's sampling algorithm; None if invalid.

    The value is a mapping, a bare name, or null for `default`. A missing seed is filled
    in.
    """
    if value is None:
        value = default
    document = Fields.of(
        {"type": value} if isinstance(value, str) else value, path, diagnostics
    )
    if document is None:
        return None
    mark = len(diagnostics.problems)
    name = document.text("type", default).lower()
    if name not in SAMPLERS:
        message = unknown_name(name, SAMPLERS, kind="sampler")
        diagnostics.error(join(path, "type"), message)
        return None
    seed = document.integer("seed", None, least=0, most=MAX_SEED)
    settings: dict[str, JSONValue] = {
        "type": name,
        "seed": new_seed() if seed is None else seed,
        **SAMPLERS[name].read_own(document),
    }
    document.close()
    return settings if diagnostics.clean_since(mark) else None


def log_base(settings: Mapping[str, JSONValue] | None) -> float:
    """The base of the logarithms in which a space's log types are given."""
    base = (settings or {}).get("logbase", math.e)
    return float(base) if isinstance(base, int | float) else math.e


def check_space(
    settings: Mapping[str, JSONValue],
    space: SearchSpace,
    diagnostics: Diagnostics,
    *,
    path: str,
) -> None:
    """Note why the sampler with these settings cannot search a space."""
    for problem in SAMPLERS[str(settings["type"])].space_problems(space):
        diagnostics.error(join(path, problem.path), problem.message)


def make_sampler(
    mapping: Mapping[str, object] | str,
    space: SearchSpace,
    *,
    budget: int | None = None,
    explores: bool = False,
) -> Sampler:
    """The sampler of a document's `sampling_algorithm`. DefinitionError if invalid.

    Parse the space with the mapping's `log_base` first. `budget` and `explores` are as
    in `Sampler`.
    """
    diagnostics = Diagnostics()
    settings = read_sampling(mapping, diagnostics, path="sampling_algorithm")
    if settings is not None:
        check_space(settings, space, diagnostics, path="search_space")
    diagnostics.raise_if_any()
    settings = settings or {}
    kind = SAMPLERS[str(settings["type"])]
    return kind.from_settings(settings, space, budget=budget, explores=explores)


__all__ = [
    "SAMPLERS",
    "AutoSampler",
    "BayesianSampler",
    "CmaesSampler",
    "GridSampler",
    "RandomSampler",
    "Sampler",
    "SobolSampler",
    "Suggestion",
    "TpeSampler",
    "check_space",
    "fresh_seed",
    "log_base",
    "make_sampler",
    "read_sampling",
]
