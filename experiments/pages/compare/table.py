"""The compare table: parameters, metrics, cost and setup of each trial beside the
reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.formatting import (
    bytes_text,
    code_words,
    duration_text,
    number_text,
    parameter_text,
)
from experiments.models import Trial
from experiments.pages.compare.comparison import Comparison, Entrant, best_of_metric
from experiments.pages.compare.lead import difference_text, ratio_text
from experiments.pages.frame import digest as short_digest
from experiments.pages.space import ParameterPicture, picture
from experiments.pages.trial.verdicts import decimals_of, fixed_text, gap_text
from experiments.search.records import goal_of
from experiments.search.wording import counted
from experiments.tracking.axes import UNSET, same_value


@dataclass(frozen=True)
class ComparedCell:
    """``same``: as the reference; ``strong``: differs; ``note``: how much."""

    text: str
    title: str = ""
    note: str = ""
    same: bool = False
    strong: bool = False
    unset: bool = False
    tone: str = ""


@dataclass(frozen=True)
class ComparedRow:
    name: str
    cells: Sequence[ComparedCell]
    aside: str = ""
    picture: ParameterPicture | None = None
    differs: bool = True


# Costs that differ by more than this factor are marked.
NOTABLE = 1.1
# Packages that are named in a cell.
MAX_PACKAGES = 3
BAR_WIDTH = 130.0


@dataclass(frozen=True)
class CostBar:
    """Training time to scale, with the saved time dashed."""

    name: str
    glyph: str
    y: int
    ran: float
    saved: float


def cost_rows(comparison: Comparison) -> Iterator[ComparedRow]:
    entrants = comparison.entrants
    yield cost_row("took", [e.elapsed for e in entrants], duration_text)
    yield cost_row("per report", [e.per_report for e in entrants], duration_text)
    if any(entrant.saved for entrant in entrants):
        cells = [
            ComparedCell(duration_text(e.saved), tone="terminated" if e.saved else "")
            for e in entrants
        ]
        yield ComparedRow("saved by ending early", cells, aside="dashed: not run")
    peaks = [_peak(entrant) for entrant in entrants]
    if any(peaks):
        yield cost_row("peak memory", peaks, bytes_text)


def _peak(entrant: Entrant) -> float | None:
    attempt = entrant.trial.current_attempt
    return float(attempt.peak_memory) if attempt and attempt.peak_memory else None


def cost_row(
    name: str, values: Sequence[float | None], text: Callable[[float], str]
) -> ComparedRow:
    cells = []
    for value in values:
        ratio = value / values[0] if value and values[0] else 1.0
        notable = ratio > NOTABLE or ratio < 1 / NOTABLE
        cells.append(
            ComparedCell(
                text(value) if value is not None else "\u2013",
                note=ratio_text(ratio) if notable else "",
                strong=notable,
            )
        )
    return ComparedRow(name, cells)


def cost_bars(comparison: Comparison) -> list[CostBar]:
    return bars_of([(e.name, e.glyph, e.elapsed, e.saved) for e in comparison.entrants])


def bars_of(
    rows: Sequence[tuple[str, str, float | None, float | None]],
) -> list[CostBar]:
    """Of names, states, and seconds that were used and saved."""
    most = max((ran or 0) + (saved or 0) for *_, ran, saved in rows) or 1.0
    return [
        CostBar(
            name,
            glyph,
            y=index * 18 + 5,
            ran=round(BAR_WIDTH * (ran or 0) / most, 1),
            saved=round(BAR_WIDTH * (saved or 0) / most, 1),
        )
        for index, (name, glyph, ran, saved) in enumerate(rows)
    ]


MAX_METRICS, MAX_PARAMETERS = 8, 40


@dataclass(frozen=True)
class ComparedSection:
    title: str
    rows: Sequence[ComparedRow]
    bars: Sequence[CostBar] = field(default=())


def sections(
    comparison: Comparison, *, only_differences: bool, metrics: Sequence[str] = ()
) -> list[ComparedSection]:
    """Parameters, metrics, cost and setup: all rows, those that differ first, or only
    those. Of very many parameters that differ the first ones are enough then.
    ``metrics``: the other metrics to show, normally the most common ones."""
    metrics = metrics or comparison.common_metrics[:MAX_METRICS]
    parameters, setup = parameter_rows(comparison), setup_rows(comparison)
    parameters.sort(key=lambda row: not row.differs)
    if only_differences:
        parameters = [row for row in parameters if row.differs][:MAX_PARAMETERS]
        setup = [row for row in setup if row.differs]
    found = [
        ComparedSection("Parameters", parameters),
        ComparedSection("Metrics", list(metric_rows(comparison, metrics))),
        ComparedSection("Cost", list(cost_rows(comparison)), cost_bars(comparison)),
        ComparedSection("Setup", setup),
    ]
    return [section for section in found if section.rows]


def hidden_differences(comparison: Comparison) -> int:
    """How many parameters differ beyond those that are shown at first."""
    differ = sum(row.differs for row in parameter_rows(comparison))
    return max(0, differ - MAX_PARAMETERS)


def equal_rows(comparison: Comparison) -> list[str]:
    """Names of rows that are the same in all trials, with short values."""
    rows = [*parameter_rows(comparison), *setup_rows(comparison)]
    equal = [row for row in rows if not row.differs]
    return [
        f"{row.name} {row.cells[0].text}" if len(row.cells[0].text) < 16 else row.name
        for row in equal
    ]


# --- parameters and setup -----------------------------------------------------------


def parameter_rows(comparison: Comparison) -> list[ComparedRow]:
    params = [entrant.params for entrant in comparison.entrants]
    known = [name for each in params for name in each]
    return [
        _parameter(comparison, n) for n in dict.fromkeys([*comparison.axes, *known])
    ]


def _parameter(comparison: Comparison, name: str) -> ComparedRow:
    axis = comparison.axes.get(name)
    values = [e.params.get(name, UNSET) for e in comparison.entrants]
    marked = [(entrant.trial, entrant.glyph) for entrant in comparison.entrants]
    return ComparedRow(
        name,
        [
            _plain_cell(value, values[0], lambda a, b: difference_text(axis, a, b))
            for value in values
        ],
        picture=picture(axis, name, marked),
        differs=not all(same_value(value, values[0]) for value in values),
    )


def plain_row(name: str, values: Sequence[Any]) -> ComparedRow:
    cells = [_plain_cell(value, values[0], lambda a, b: "") for value in values]
    differs = not all(same_value(value, values[0]) for value in values)
    return ComparedRow(name, cells, differs=differs)


def _plain_cell(
    value: Any, reference: Any, difference: Callable[[Any, Any], str]
) -> ComparedCell:
    same = same_value(value, reference)
    if value is UNSET:
        return ComparedCell("not set", unset=True, strong=not same)
    note = "" if same or reference is UNSET else difference(value, reference)
    return ComparedCell(
        parameter_text(value), title=str(value), note=note, same=same, strong=not same
    )


def setup_rows(comparison: Comparison) -> list[ComparedRow]:
    environments = comparison.environments
    setups = [
        {**_setup(entrant.trial), **_machine(known)}
        for entrant, known in zip(comparison.entrants, environments, strict=True)
    ]
    names = dict.fromkeys(name for setup in setups for name in setup)
    rows = [plain_row(n, [setup.get(n, UNSET) for setup in setups]) for n in names]
    packages = [_versions(known.get("packages") or ()) for known in environments]
    return [*rows, _package_row(packages)] if any(packages) else rows


def _machine(known: Mapping[str, Any]) -> dict[str, Any]:
    """What an environment's document adds to the setup."""
    found = {"Python": known.get("python"), "commit": known.get("commit")}
    found["GPUs"] = "; ".join(known.get("gpus") or ())
    if known.get("diff"):
        found["not committed"] = f"changes {short_digest(known['diff'])}"
    return {name: value for name, value in found.items() if value}


def _versions(packages: Iterable[str]) -> dict[str, str]:
    parts = (line.partition("==") for line in packages)
    return {name: version for name, _, version in parts}


def _package_row(packages: Sequence[Mapping[str, str]]) -> ComparedRow:
    first = packages[0]
    cells = [ComparedCell(counted(len(first), "package") if first else "not known")]
    cells += (_package_cell(each, first) for each in packages[1:])
    return ComparedRow("packages", cells, differs=any(c.strong for c in cells))


def _package_cell(own: Mapping[str, str], first: Mapping[str, str]) -> ComparedCell:
    """The packages that the reference has in another version, or not at all."""
    if not own or not first:
        return ComparedCell("not known", unset=True, strong=bool(own or first))
    names = [n for n in sorted({*own, *first}) if own.get(n) != first.get(n)]
    words = [f"{n} {own[n]}" if n in own else f"no {n}" for n in names]
    more = len(words) - MAX_PACKAGES
    text = ", ".join(words[:MAX_PACKAGES]) + (f" and {more} more" if more > 0 else "")
    return ComparedCell(
        text or counted(len(own), "package"),
        title=", ".join(words),
        same=not words,
        strong=bool(words),
    )


def _setup(trial: Trial) -> dict[str, Any]:
    """What a trial ran with, besides its parameters."""
    sweep, attempt = trial.sweep, trial.current_attempt
    found: dict[str, Any] = {}
    if sweep is not None:
        template = sweep.definition.get("trial", {})
        found["code"] = str(sweep.code) if sweep.code else code_words(sweep) or "none"
        found["command"] = template.get("command", "")
        found |= _inputs(trial)
        found["pool"] = sweep.pool.name
    else:
        found["source"] = trial.run.tags.get("mlflow.source.name", UNSET)
    if attempt is not None and attempt.client:
        found["logged through"] = attempt.client
    if attempt is not None and attempt.worker is not None:
        found["host"] = attempt.worker.host
        found["Python"] = attempt.worker.python or UNSET
    return {name: value for name, value in found.items() if value is not UNSET}


def _inputs(trial: Trial) -> dict[str, Any]:
    inputs = trial.sweep.definition.get("inputs", {}) if trial.sweep else {}
    # An input may have the name of a parameter.
    return {k if k not in trial.params else f"input {k}": v for k, v in inputs.items()}


# --- metrics --------------------------------------------------------------------------


def metric_rows(comparison: Comparison, names: Sequence[str]) -> Iterator[ComparedRow]:
    objective = comparison.objective
    if objective is not None:
        name = objective.primary_metric
        trials = [entrant.trial for entrant in comparison.entrants]
        yield metric_row(
            f"{name}, best",
            [trial.value for trial in trials],
            tone="best" if comparison.reference.is_best else "",
        )
        yield _report_row("reached at report", [t.value_report for t in trials])
        yield metric_row(
            f"{name}, last",
            [trial.last_value for trial in trials],
        )
        yield _report_row("reports", [trial.reports for trial in trials])
    for name in names:
        lower = goal_of(name) == "minimize"
        yield metric_row(
            f"{name}, {'lowest' if lower else 'highest'}",
            [_metric_value(entrant, name) for entrant in comparison.entrants],
        )


def _metric_value(entrant: Entrant, name: str) -> float | None:
    metric = entrant.metrics.get(name)
    return best_of_metric(metric) if metric else None


def _report_row(name: str, reports: Sequence[int | None]) -> ComparedRow:
    return ComparedRow(name, [ComparedCell(number_text(n)) for n in reports])


def metric_row(
    name: str, values: Sequence[float | None], *, tone: str = ""
) -> ComparedRow:
    decimals = decimals_of(values)
    cells = [
        ComparedCell(
            fixed_text(value, decimals),
            title="" if value is None else str(value),
            note=_gap(value, values[0], decimals) if index else "",
            strong=index == 0 and bool(tone),
            tone=tone if index == 0 else "",
        )
        for index, value in enumerate(values)
    ]
    return ComparedRow(name, cells)


def _gap(value: float | None, reference: float | None, decimals: int) -> str:
    if value is None or reference is None or value == reference:
        return ""
    return gap_text(value - reference, decimals)


# --- as text ----------------------------------------------------------------------


def as_text(names: Sequence[str], found: Sequence[ComparedSection]) -> str:
    """The table as tab-separated lines, for a spreadsheet."""
    lines = ["\t".join(["", *names])]
    for section in found:
        for row in section.rows:
            lines.append("\t".join([row.name, *(_pasted(cell) for cell in row.cells)]))
    return "\n".join(lines)


def _pasted(cell: ComparedCell) -> str:
    """A cell's exact value; what a spreadsheet would calculate is quoted."""
    text = " ".join((cell.title or cell.text).split())
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
    return text
