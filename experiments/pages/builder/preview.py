"""What the form's sweep would try: pictures, combinations, the first draws, YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from experiments.formatting import exact_text, number_text
from experiments.pages.builder.check import Check
from experiments.pages.builder.space_pictures import (
    HistogramPicture,
    hint_of,
    law_of,
    picture_of,
    summary_of,
)
from experiments.search.document.yaml import line_of, lines_by_path, yaml_text
from experiments.search.fields import Diagnostics, listed
from experiments.search.history import empty
from experiments.search.preview import sampled_configurations
from experiments.search.records import JSONValue
from experiments.search.samplers import SAMPLERS, Sampler, check_space, read_sampling
from experiments.search.samplers.auto import AutoSampler
from experiments.search.space.distribution import Distribution
from experiments.search.space.space import SearchSpace, read_space
from experiments.tracking.spaces import flat_params

DRAWS = 5
MAX_PICTURES = 60
MAX_COLUMNS = 6
# Any seed will do while the sweep has none of its own yet.
ANY_SEED = 0
NOT_SET = "not set"
# Numbers of so many signs are shown as they are.
MAX_EXACT_LENGTH = 6


@dataclass(frozen=True)
class YamlLine:
    number: int
    text: str
    wrong: bool


@dataclass(frozen=True)
class DrawTable:
    """A few configurations; `left_out` names parameters that cannot be drawn yet.

    `are_first` says that the sweep begins with them, and `are_design` that the sampler
    goes by results as soon as there are some.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[JSONValue]]
    are_first: bool
    are_design: bool
    more_names: int
    left_out: Sequence[str]

    @property
    def cells(self) -> Sequence[Sequence[tuple[str, str]]]:
        """Every value as it is shown, and in full."""
        return [[(_shown(v), exact_text(v)) for v in row] for row in self.rows]


@dataclass(frozen=True)
class Preview:
    """A look at what was entered, valid or not."""

    check: Check

    @cached_property
    def laws(self) -> Sequence[Distribution | None]:
        """The distribution of every row; None while the row is blank or wrong."""
        entries = self.check.entries
        return [
            None
            if row.is_blank or index in self.check.wrong_rows
            else law_of(row, entries.log_base)
            for index, row in enumerate(entries.rows)
        ]

    @cached_property
    def space(self) -> SearchSpace:
        """The space, or of a wrong one the parameters that are right already."""
        if self.check.definition is not None:
            return self.check.definition.search_space
        return self._read[0]

    @cached_property
    def _read(self) -> tuple[SearchSpace, bool]:
        """The space of the rows that are right, and whether all that was said of them
        (conditions and constraints) could be used."""
        entries, document = self.check.entries, self.check.document
        right = {
            path.names[0]: document["search_space"][path.names[0]]
            for path in self.check.composed.row_paths
            if self._all_laws[path.index]
        }
        diagnostics = Diagnostics()
        space = read_space(
            right,
            diagnostics,
            path="search_space",
            log_base=entries.log_base,
            constraints=document.get("constraints"),
        )
        if diagnostics.problems:
            return SearchSpace(space.parameters), False
        return space, True

    @cached_property
    def _all_laws(self) -> Sequence[Distribution | None]:
        """As `laws`, with those that only the grid cannot use."""
        base = self.check.entries.log_base
        named = {row.name_as_read: n for n, row in enumerate(self.check.entries.rows)}
        return [
            law
            or (law_of(row, base) if row.key and named[row.name_as_read] == n else None)
            for n, (row, law) in enumerate(
                zip(self.check.entries.rows, self.laws, strict=True)
            )
        ]

    def picture(self, index: int) -> HistogramPicture | None:
        law = self._all_laws[index]
        return picture_of(law) if law and index < MAX_PICTURES else None

    def hint(self, index: int) -> str:
        row = self.check.entries.rows[index]
        return hint_of(row, self._all_laws[index], self.check.entries.log_base)

    def summary(self, index: int) -> str:
        return summary_of(self.check.entries.rows[index])

    @cached_property
    def is_complete(self) -> bool:
        """Whether every row that holds something can be drawn from."""
        rows = zip(self.check.entries.rows, self._all_laws, strict=True)
        known = self.check.definition is not None or self._read[1]
        whole = all(law or row.is_blank for row, law in rows)
        return bool(self.space) and known and whole

    @cached_property
    def combinations(self) -> str:
        """How many different configurations there are, in words."""
        if not self.is_complete:
            return "not known yet"
        return self.space.count_words()

    @cached_property
    def in_the_grid_way(self) -> str:
        """What keeps a grid from listing the space, in words; empty if nothing."""
        if self.space.is_finite:
            return ""
        axes = self.space.axes.values()
        endless = (axis.address for axis in axes if axis.distribution.count() is None)
        names = list(dict.fromkeys(endless))
        stands = "stands" if len(names) == 1 else "stand"
        return f"{_few(names)} {stands} in the way: a grid needs values to list."

    @cached_property
    def sampler_problems(self) -> Mapping[str, str]:
        """By sampler what keeps it from searching the space, in words."""
        found = {"grid": self.in_the_grid_way}
        for name, kind in SAMPLERS.items() if self.space else ():
            problems = list(kind.space_problems(self.space))
            if problems and not found.get(name):
                found[name] = problems[0].message
        return {name: words for name, words in found.items() if words}

    @cached_property
    def proposal(self) -> str:
        """What the proposed sampler would choose for the space, and why."""
        if not self.is_complete:
            return ""
        auto = AutoSampler(space=self.space, seed=ANY_SEED, budget=self._budget)
        method, reason = auto.choice(empty(self.space))
        return f"Here: {SAMPLERS[method].title}, as {reason}."

    @cached_property
    def draws(self) -> DrawTable | None:
        sampler = self._sampler()
        if sampler is None:
            return None
        names = list(self.space.axes)[:MAX_COLUMNS]
        draws = sampled_configurations(sampler, DRAWS)
        found = [flat_params(self.space, params) for params in draws]
        return DrawTable(
            names=names,
            rows=[[params.get(name, NOT_SET) for name in names] for params in found],
            are_first=self.check.definition is not None and self._is_settled,
            are_design=sampler.needs_history,
            more_names=len(self.space.axes) - len(names),
            left_out=[
                row.key or f"parameter {index + 1}"
                for index, row in enumerate(self.check.entries.rows)
                if not row.is_blank and not self._all_laws[index]
            ],
        )

    @cached_property
    def yaml(self) -> str:
        return yaml_text(self.check.document)

    @cached_property
    def wrong_lines(self) -> Sequence[int | None]:
        """For every problem its line in the twin; None when it has none."""
        lines = lines_by_path(self.yaml)
        return [line_of(problem.path, lines) for problem in self.check.problems]

    def yaml_lines(self, *, marked: bool) -> Sequence[YamlLine]:
        """The twin's lines; `marked` shows which are wrong."""
        wrong = self.wrong_lines if marked else ()
        return [
            YamlLine(number, text, number in wrong)
            for number, text in enumerate(self.yaml.rstrip("\n").split("\n"), 1)
        ]

    @property
    def _is_settled(self) -> bool:
        entries = self.check.entries
        return entries.sampler == "grid" or bool(entries.text("seed").strip())

    def _sampler(self) -> Sampler | None:
        settings: Mapping[str, Any] = self.check.document.get("sampling_algorithm", {})
        diagnostics = Diagnostics()
        known = read_sampling(settings, diagnostics, path="", new_seed=lambda: ANY_SEED)
        if known is None or not self.space:
            return None
        check_space(known, self.space, diagnostics, path="")
        if diagnostics.problems:
            return None
        kind = SAMPLERS[str(known["type"])]
        return kind.from_settings(known, self.space, budget=self._budget)

    @property
    def _budget(self) -> int | None:
        budget = self.check.document.get("limits", {}).get("max_total_trials")
        return budget if isinstance(budget, int) and budget > 0 else None


def _shown(value: JSONValue) -> str:
    """A value of a few digits as it was typed, others cut to four digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | list | dict) or value is None:
        return json.dumps(value)
    exact = exact_text(value)
    return exact if len(exact) <= MAX_EXACT_LENGTH else number_text(value)


def _few(names: Sequence[str]) -> str:
    if len(names) <= 3:
        return listed(names)
    return f"{listed([*names[:2], f'{len(names) - 2} more'])}"
