"""The search space: named parameters in document order."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.search.distributions import Distribution
from experiments.search.expressions import ExpressionError, SpaceText, parse_space
from experiments.search.notation import read_distribution
from experiments.search.problems import Findings, Problem, join, shown, unknown_name
from experiments.search.records import JSONValue, Params

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MOST_PARAMETERS = 500
LONGEST_NAME = 200


@dataclass(frozen=True)
class SearchSpace:
    """What every parameter of a trial may be.

    `parameters` maps names to distributions; its order is that of the document, of the
    unit cube's axes, and of the grid's digits (the last one turns fastest).
    """

    parameters: Mapping[str, Distribution]

    @classmethod
    def parse(cls, document: object, *, log_base: float = math.e) -> SearchSpace:
        """The space of a document: a mapping, or text. DefinitionError if invalid."""
        findings = Findings()
        space = read_space(document, findings, path="search_space", log_base=log_base)
        findings.raise_if_any()
        return space

    def __len__(self) -> int:
        return len(self.parameters)

    def sample(self, rng: np.random.Generator) -> dict[str, JSONValue]:
        """One configuration; takes one number from the generator for a parameter."""
        return {name: law.sample(rng) for name, law in self.parameters.items()}

    def problems(self, params: Params) -> tuple[Problem, ...]:
        """Why a configuration is not one of this space, by parameter."""
        return tuple(self._problems(params))

    def contains(self, params: Params) -> bool:
        """Whether the space could have drawn the configuration."""
        return not any(True for _ in self._problems(params))

    def count(self) -> int | None:
        """The exact number of configurations; None when there are infinitely many."""
        counts = [law.count() for law in self.parameters.values()]
        if any(count is None for count in counts):
            return None
        return math.prod(count for count in counts if count is not None)

    def configuration(self, index: int) -> dict[str, JSONValue]:
        """The index-th configuration of a finite space, the last parameter fastest.

        Raises IndexError outside of 0 to count() - 1, ValueError for infinite spaces.
        """
        count = self.count()
        if count is None:
            raise ValueError("The space is not finite: its points have no numbers.")
        if not 0 <= index < count:
            raise IndexError(f"The space has {count:,} points; there is no {index:,}.")
        params: dict[str, JSONValue] = {}
        for name, law in reversed(tuple(self.parameters.items())):
            index, digit = divmod(index, law.count() or 1)
            params[name] = law.at(digit)
        return {name: params[name] for name in self.parameters}

    def encode(self, params: Params) -> NDArray[np.float64]:
        """A configuration as a point of the unit cube. ValueError if not inside.

        An axis is a parameter's distribution function, so that the space's own law is
        uniform on the cube; a value of a finite one is the middle of its band.
        """
        return np.array(
            [law.encode(params[name]) for name, law in self.parameters.items()]
        )

    def decode(
        self, point: Sequence[float] | NDArray[np.float64]
    ) -> dict[str, JSONValue]:
        """The configuration at a point of the unit cube."""
        pairs = zip(self.parameters.items(), point, strict=True)
        return {name: law.quantile(float(share)) for (name, law), share in pairs}

    def dump(self) -> dict[str, JSONValue]:
        """The mapping form of every parameter."""
        return {name: law.dump() for name, law in self.parameters.items()}

    def _problems(self, params: Params) -> Iterator[Problem]:
        for name, law in self.parameters.items():
            if name not in params:
                yield Problem(name, f"{name} has no value.")
            elif not law.contains(params[name]):
                allowed = shown(law.dump(), most=200)
                yield Problem(
                    name, f"{name} is {shown(params[name])}; allowed is {allowed}."
                )
        for name in params:
            if name not in self.parameters:
                message = unknown_name(name, self.parameters, kind="parameter")
                yield Problem(name, message)


def read_space(
    document: object, findings: Findings, *, path: str, log_base: float
) -> SearchSpace:
    """The space of a document, with problems noted; what is wrong is left out."""
    if isinstance(document, str):
        text = read_space_text(document, findings, path=path)
        document = text.parameters if text else None
        if document is None:
            return SearchSpace({})
    if not isinstance(document, Mapping) or not document:
        findings.error(
            path,
            "search_space must be a mapping of at least one name to a distribution, "
            f"such as {{lr: {{type: float, low: 0.001, high: 0.1}}}}, "
            f"not {shown(document)}.",
        )
        return SearchSpace({})
    if len(document) > MOST_PARAMETERS:
        findings.error(
            path,
            f"search_space may have {MOST_PARAMETERS} parameters, not {len(document)}.",
        )
        return SearchSpace({})
    parameters: dict[str, Distribution] = {}
    for given, value in document.items():
        name = _read_name(given, parameters, path, findings)
        law = read_distribution(
            value, join(path, name or str(given)), findings, log_base=log_base
        )
        if name is not None and law is not None:
            parameters[name] = law
    return SearchSpace(parameters)


def converted_name(text: str) -> str:
    """A parameter's name in documents: `--learning-rate` becomes `learning_rate`."""
    return text.lstrip("-").replace("-", "_")


def read_space_text(text: str, findings: Findings, *, path: str) -> SpaceText | None:
    """A space written as text; None when a problem was noted."""
    try:
        return parse_space(text)
    except ExpressionError as error:
        findings.error(path, str(error))
        return None


def _read_name(
    given: object, taken: Mapping[str, object], path: str, findings: Findings
) -> str | None:
    """A parameter's name. A dashed one, `--learning-rate`, is converted."""
    text = str(given)
    name = converted_name(text)
    place = join(path, text)
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        findings.error(
            place,
            "A parameter's name must be letters, digits and underscores, not starting "
            f"with a digit, such as learning_rate, not {shown(text)}.",
        )
        return None
    if name in taken:
        findings.error(place, f"There is another parameter with the name {name}.")
        return None
    if name != text:
        findings.warn(place, f"The parameter {text} is called {name} here.")
    return name
