"""`search_space`, `constraints`, `sampling_algorithm` and `objective` of a document.

The first three are read together: the sampler's `logbase` is the base of the space's
logarithms, a space written as text may name its sampling, and not every sampler can
search every space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from experiments.search.fields import Diagnostics, Fields
from experiments.search.records import JSONValue, Objective
from experiments.search.samplers import (
    Sampler,
    check_space,
    fresh_seed,
    log_base,
    make_sampler,
    read_sampling,
)
from experiments.search.space.document import converted_name, read_space_text
from experiments.search.space.space import SearchSpace, read_space

SPACE, SAMPLING = "search_space", "sampling_algorithm"
MAX_NAME_LENGTH = 250


@dataclass(frozen=True)
class Plan:
    """A space and the canonical settings of its sampler.

    `names` are the parameters' names and the addresses in nested choices, also of
    invalid ones; None if the text of the space could not be read. Those in `optional`
    have no value in some configurations.
    """

    space: SearchSpace
    settings: Mapping[str, JSONValue] = field(default_factory=dict)
    names: tuple[str, ...] | None = None
    optional: frozenset[str] = frozenset()

    @property
    def is_grid(self) -> bool:
        return self.settings.get("type") == "grid"

    @property
    def grid_size(self) -> int | None:
        """The number of points, if this is a grid."""
        return self.space.count() if self.is_grid else None

    def sampler(self, *, budget: int | None = None, explores: bool = False) -> Sampler:
        """The sampler of a valid plan, as `make_sampler` makes it."""
        return make_sampler(self.settings, self.space, budget=budget, explores=explores)


def read_plan(
    search_space: object,
    sampling: object,
    diagnostics: Diagnostics,
    *,
    constraints: object = None,
    new_seed: Callable[[], int] = fresh_seed,
) -> Plan:
    """Read these fields; notes problems, and leaves those parts out."""
    named = None
    readable = True
    if isinstance(search_space, str):
        text = read_space_text(search_space, diagnostics, path=SPACE)
        readable = text is not None
        if text is not None:
            named, search_space = text.sampling, text.parameters
    settings = read_sampling(
        named if sampling is None else sampling,
        diagnostics,
        path=SAMPLING,
        new_seed=new_seed,
    )
    if not readable:
        return Plan(SearchSpace({}), settings or {})
    space = read_space(
        search_space,
        diagnostics,
        path=SPACE,
        log_base=log_base(settings),
        constraints=constraints,
    )
    if settings is not None:
        check_space(settings, space, diagnostics, path=SPACE)
        _check_named(named, settings, diagnostics)
    optional = (name for name, found in space.addresses.items() if not found.always)
    names = tuple(dict.fromkeys(_names(search_space, space)))
    return Plan(space, settings or {}, names, frozenset(optional))


def _names(document: object, space: SearchSpace) -> Iterator[str]:
    given = document if isinstance(document, Mapping) else {}
    yield from map(converted_name, map(str, given))
    yield from space.addresses
    for text, value in given.items():
        name = converted_name(str(text))
        if name not in space.parameters:
            yield from _inner_names(name, value)


def _inner_names(name: str, value: object) -> Iterator[str]:
    """The addresses in an invalid nested choice."""
    branches = value.get("values") if isinstance(value, Mapping) else None
    for branch in branches if isinstance(branches, list) else ():
        for inner, entry in branch.items() if isinstance(branch, Mapping) else ():
            yield f"{name}.{inner}"
            yield from _inner_names(f"{name}.{inner}", entry)


def _check_named(
    named: str | None, settings: Mapping[str, JSONValue], diagnostics: Diagnostics
) -> None:
    if named not in (None, settings["type"]):
        diagnostics.error(
            SAMPLING,
            f"The search space names {named} sampling and sampling_algorithm says "
            f"{settings['type']}; leave one of them out.",
        )


def read_objective(document: Fields | None) -> Objective:
    """`objective`; None is a field that was left out, after noting it."""
    if document is None:
        return Objective("", "maximize")
    goal = document.option(
        "goal", "maximize", ("minimize", "maximize"), required="maximize"
    )
    objective = Objective(
        primary_metric=document.text(
            "primary_metric", "", required="accuracy", most=MAX_NAME_LENGTH
        ),
        goal="minimize" if goal == "minimize" else "maximize",
        target=document.number("target", None),
    )
    document.close()
    return objective


def dump_objective(objective: Objective) -> dict[str, JSONValue]:
    """The mapping form, without a target that is not set."""
    document = asdict(objective)
    return {name: value for name, value in document.items() if value is not None}
