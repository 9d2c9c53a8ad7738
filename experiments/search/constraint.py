"""A constraint that has been read: a test of configurations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from experiments.search.addresses import ABSENT, value_at
from experiments.search.chains import Chain
from experiments.search.comparisons import NoResult
from experiments.search.records import Params
from experiments.search.terms import Values


@dataclass(frozen=True)
class Constraint:
    """One constraint; `addresses` are the parameters that it names.

    `chain` has the parts of one that adds or multiplies parameters; None of others.
    """

    text: str
    addresses: tuple[str, ...] = field(compare=False)
    check: Callable[[Values], object] = field(compare=False, repr=False)
    chain: Chain | None = field(default=None, compare=False, repr=False)

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
