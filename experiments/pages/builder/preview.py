"""What the form's sweep would try: pictures, combinations, the first draws, YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.formatting import exact_text, parameter_text
from experiments.pages.builder.form import SweepForm
from experiments.pages.builder.space.pictures import (
    HistogramPicture,
    hint_of,
    law_of,
    picture_of,
    summary_of,
)
from experiments.search.document.yaml import line_of, lines_by_path, yaml_text
from experiments.search.fields import Diagnostics, is_number, listed
from experiments.search.preview import sampled_configurations
from experiments.search.recommendations import (
    Recommendation,
    recommended_policies,
    recommended_samplers,
)
from experiments.search.records import JSONValue
from experiments.search.samplers import SAMPLERS, Sampler, check_space, read_sampling
from experiments.search.space.distribution import Distribution
from experiments.search.space.space import SearchSpace, read_space
from experiments.search.wording import counted
from experiments.tracking.spaces import flat_params

DRAWS = 5
MAX_PICTURES = 60
MAX_COLUMNS = 6
# Any seed will do while the sweep has none of its own.
ANY_SEED = 0
NOT_SET = "not set"
MAX_TIMEOUT_TEXT = 20
# Numbers with more characters are rounded.
MAX_EXACT_LENGTH = 6


@dataclass(frozen=True)
class DrawTable:
    """Configurations as rows: each value as shown, and in full.

    `more` parameters have no column.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[tuple[str, str]]]
    more: int


@dataclass(frozen=True)
class RowPreview:
    """What a row of the search space will give."""

    picture: HistogramPicture | None = None
    hint: str = ""
    summary: str = ""


NO_PREVIEW = RowPreview()


@dataclass(frozen=True)
class Preview:
    """What the form would try, valid or not.

    `space` has the parameters that are right already; `left_out` names the others.
    `sampler_problems`: by sampler, why it cannot search the space. `budget` is the
    number of trials, if it is known, and `timeout` the sweep's valid limit as text;
    `samplers` and `policies` are those to offer first. `are_first`: the sweep begins
    with these draws; `are_design`: later trials learn from results.
    `wrong_lines` has a line of the YAML for every problem, None where it has none.
    """

    space: SearchSpace
    rows: Sequence[RowPreview]
    combinations: str
    sampler_problems: Mapping[str, str]
    budget: int | None
    timeout: str
    samplers: Sequence[Recommendation]
    policies: Sequence[Recommendation]
    draws: DrawTable | None
    are_first: bool
    are_design: bool
    left_out: Sequence[str]
    yaml: str
    wrong_lines: Sequence[int | None]

    @property
    def trials(self) -> str:
        """The number of trials in words."""
        return counted(self.budget, "trial") if self.budget else "any trials"

    @property
    def fixed(self) -> str:
        """What is fixed, in words: the time, or the number of trials."""
        return f"a time of {self.timeout}" if self.timeout else self.trials

    def yaml_lines(self, *, marked: bool) -> Sequence[tuple[str, bool]]:
        """The lines of the YAML, and whether each is marked as wrong."""
        wrong = self.wrong_lines if marked else ()
        lines = self.yaml.rstrip("\n").split("\n")
        return [(text, number in wrong) for number, text in enumerate(lines, 1)]


def preview_of(form: SweepForm) -> Preview:
    distributions = _distributions(form)
    pairs = list(zip(form.rows, distributions, strict=True))
    space, is_known = _space(form, distributions)
    left_out = [
        row.key or row.label_of("name")
        for row, known in pairs
        if row.is_used and not known
    ]
    is_complete = bool(space) and is_known and not left_out
    limit = form.document.get("limits", {}).get("max_total_trials")
    budget = limit if isinstance(limit, int) and limit > 0 else None
    timeout = _valid_timeout(form)
    sampler = _sampler(form, space, budget) if is_known else None
    yaml = yaml_text(form.document)
    lines = lines_by_path(yaml) if form.problems else {}
    has_seed = form.picks["sampler"] == "grid" or bool(form.text("seed").strip())
    return Preview(
        space=space,
        rows=[
            RowPreview(
                picture_of(known) if known and index < MAX_PICTURES else None,
                hint_of(row, known),
                summary_of(row),
            )
            for index, (row, known) in enumerate(pairs)
        ],
        combinations=space.count_words() if is_complete else "not known yet",
        sampler_problems=_unfit(space),
        budget=budget,
        timeout=timeout,
        samplers=recommended_samplers(
            space if is_complete else SearchSpace({}), budget
        ),
        policies=recommended_policies(
            budget, timeout=timeout, sampler=form.picks["sampler"]
        ),
        draws=draw_table(space, sampled_configurations(sampler, DRAWS))
        if sampler
        else None,
        are_first=form.definition is not None and has_seed,
        are_design=sampler is not None and sampler.needs_history,
        left_out=left_out,
        yaml=yaml,
        wrong_lines=[line_of(problem.path, lines) for problem in form.problems],
    )


def _valid_timeout(form: SweepForm) -> str:
    is_wrong = form.has_error("timeout")
    return "" if is_wrong else form.text("timeout").strip()[:MAX_TIMEOUT_TEXT]


def _distributions(form: SweepForm) -> Sequence[Distribution | None]:
    """The distribution of every row; None while the row is blank or wrong.

    A wrong row may still have one: perhaps only the grid cannot use it. Of rows with
    one name the last counts.
    """
    last = {row.name_as_read: row for row in form.rows if row.is_used}
    return [
        law_of(row)
        if not row.is_blank
        and (not row.errors or (row.key and last.get(row.name_as_read) is row))
        else None
        for row in form.rows
    ]


def _space(
    form: SweepForm, distributions: Sequence[Distribution | None]
) -> tuple[SearchSpace, bool]:
    """The space of the rows that are right, and whether their conditions and
    constraints can be used."""
    if form.definition is not None:
        return form.definition.search_space, True
    document, diagnostics = form.document, Diagnostics()
    known = [row for row, law in zip(form.rows, distributions, strict=True) if law]
    right = {
        path.names[0]: document["search_space"][path.names[0]]
        for path in form.checked.row_paths
        if path.row in known
    }
    space = read_space(
        right,
        diagnostics,
        path="search_space",
        log_base=form.log_base,
        constraints=document.get("constraints"),
    )
    if diagnostics.problems:
        return SearchSpace(space.parameters), False
    return space, True


def _unfit(space: SearchSpace) -> Mapping[str, str]:
    if not space:
        return {}
    found = {"grid": _grid_problem(space)}
    for name, kind in SAMPLERS.items():
        problems = list(kind.space_problems(space))
        if problems and not found.get(name):
            found[name] = problems[0].message
    return {name: words for name, words in found.items() if words}


def _grid_problem(space: SearchSpace) -> str:
    """Why a grid cannot list the space; empty if it can."""
    if space.is_finite:
        return ""
    axes = space.axes.values()
    endless = (axis.address for axis in axes if axis.distribution.count() is None)
    names = list(dict.fromkeys(endless))
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} more"]
    have = "has" if len(names) == 1 else "have"
    return f"A grid needs values to list; {listed(names)} {have} none."


def _sampler(form: SweepForm, space: SearchSpace, budget: int | None) -> Sampler | None:
    settings: Mapping[str, Any] = form.document.get("sampling_algorithm", {})
    diagnostics = Diagnostics()
    known = read_sampling(settings, diagnostics, path="", new_seed=lambda: ANY_SEED)
    if known is None or not space:
        return None
    check_space(known, space, diagnostics, path="")
    if diagnostics.problems:
        return None
    return SAMPLERS[str(known["type"])].from_settings(known, space, budget=budget)


def draw_table(
    space: SearchSpace,
    configurations: Sequence[Mapping[str, JSONValue]],
    *,
    columns: int = MAX_COLUMNS,
) -> DrawTable:
    names = list(space.axes)[:columns]
    flat = [flat_params(space, params) for params in configurations]
    rows = [[cell_of(params.get(name, NOT_SET)) for name in names] for params in flat]
    return DrawTable(names, rows, len(space.axes) - len(names))


def cell_of(value: JSONValue) -> tuple[str, str]:
    """A value as shown, and in full; long numbers are shown with four digits."""
    exact = exact_text(value)
    is_short = is_number(value) and len(exact) <= MAX_EXACT_LENGTH
    return exact if is_short else parameter_text(value), exact
