"""Everything that stands in the builder's form, as text: nothing entered is lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.http import QueryDict

from experiments.pages.builder.fields import NO_POLICY, TEXTS
from experiments.pages.builder.policy_advice import cautious
from experiments.pages.builder.source_fields import code_kind
from experiments.pages.builder.space_rows import Row
from experiments.pages.value_text import read_number
from experiments.search.fields import is_number

# More parameters than a sweep may have, so that the document's own limit speaks first.
MOST_ROWS = 1000
# The sampler of a new form, and what the page advises.
PROPOSED = "auto"
FRESH: Mapping[str, str] = {
    "command": "python train.py",
    "goal": "maximize",
    "sampler": PROPOSED,
    "policy": cautious(),
    "max_total_trials": "40",
    "max_concurrent_trials": "4",
}


@dataclass(frozen=True)
class Entries:
    """The texts by field, and the search space's rows in order."""

    texts: Mapping[str, str] = field(default_factory=dict)
    rows: Sequence[Row] = ()

    @classmethod
    def fresh(cls, **texts: str) -> Entries:
        """A new form: usual settings, and one parameter to fill in."""
        return cls({**FRESH, **texts}, (Row(),))

    @classmethod
    def from_post(cls, data: QueryDict) -> Entries:
        indices = data.getlist("row")[:MOST_ROWS]
        return cls(
            {name: data.get(name, "") for name in TEXTS},
            tuple(Row.from_post(data, index) for index in indices),
        )

    def text(self, name: str) -> str:
        return self.texts.get(name, "")

    @property
    def sampler(self) -> str:
        return self.text("sampler") or "random"

    @property
    def policy(self) -> str:
        return self.text("policy") or NO_POLICY

    @property
    def code_kind(self) -> str:
        """Where the code comes from: files, git or folder."""
        return code_kind(self.texts)

    @property
    def log_base(self) -> float:
        """The base of the logarithms in which log types are given."""
        base = read_number(self.text("logbase")) if self.sampler == "random" else None
        return float(base) if is_number(base) and 1 < base <= 1e6 else math.e

    def with_texts(self, **texts: str) -> Entries:
        return replace(self, texts={**self.texts, **texts})

    def with_rows(self, rows: Sequence[Row]) -> Entries:
        return replace(self, rows=tuple(rows))

    def with_row(self, index: int, row: Row) -> Entries:
        return self.with_rows(
            [row if place == index else old for place, old in enumerate(self.rows)]
        )
