"""A constraint that has been read: a test of configurations."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

from experiments.search.addresses import ABSENT, value_at
from experiments.search.comparisons import NoResult
from experiments.search.records import Params
from experiments.search.terms import Values


@dataclass(frozen=True)
class Constraint:
    """One constraint; `addresses` are the parameters that it names."""

    text: str
    addresses: tuple[str, ...] = field(compare=False)
    check: Callable[[Values], object] = field(compare=False, repr=False)
    tree: ast.expr = field(compare=False, repr=False)

    def meets(self, params: Params) -> bool:
        """Whether a configuration is allowed.

        It is where a parameter that is named is not active: the constraint then does
        not apply.
        """
        values = {name: value_at(params, name) for name in self.addresses}
        if any(value is ABSENT for value in values.values()):
            return True
        try:
            return self.check(values) is True
        except NoResult:
            return False
