"""Both texts of an import with their lines, and on these the numbers of the notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.document_yaml import line_of, lines_by_path
from experiments.pages.importing.reading import Reading

MOST_LINES = 2_000
# Mappings whose keys are the document's own, so that none is there by default.
FREE = ("search_space", "inputs", "tags", "constraints")
LIMITS = {
    "total": "limits.max_total_trials",
    "concurrent": "limits.max_concurrent_trials",
    "failed": "limits.max_failed_trials",
}
# Where the settings of other systems stand in a document of ours, as far as they do.
PLACES: Mapping[str, Mapping[str, str]] = {
    "azure": {"algorithm": "sampling_algorithm"},
    "wandb": {
        "program": "trial.command",
        "command": "trial.command",
        "method": "sampling_algorithm",
        "metric.name": "objective.primary_metric",
        "metric": "objective",
        "parameters": "search_space",
        "early_terminate": "early_termination",
        "run_cap": LIMITS["total"],
        "name": "display_name",
        "project": "experiment_name",
    },
    "katib": {
        "metadata.name": "experiment_name",
        "spec.objective": "objective",
        "spec.algorithm": "sampling_algorithm",
        "spec.earlyStopping": "early_termination",
        "spec.parameters": "search_space",
        "spec.maxTrialCount": LIMITS["total"],
        "spec.parallelTrialCount": LIMITS["concurrent"],
        "spec.maxFailedTrialCount": LIMITS["failed"],
        "spec.trialTemplate": "trial.command",
    },
    "nni": {
        "experimentName": "experiment_name",
        "searchSpace": "search_space",
        "tuner": "sampling_algorithm",
        "advisor": "sampling_algorithm",
        "assessor": "early_termination",
        "trialCommand": "trial.command",
        "trialConcurrency": LIMITS["concurrent"],
        "maxTrialNumber": LIMITS["total"],
    },
    "optuna": {"distributions": "search_space"},
}


@dataclass(frozen=True)
class Line:
    """A line, the numbers of the notes about it, and what is said beside it."""

    number: int
    text: str
    marks: Sequence[int] = ()
    wrong: bool = False
    comment: str = ""


@dataclass(frozen=True)
class Lines:
    """The lines of a text that are shown; `more` are not."""

    shown: Sequence[Line]
    more: int


def source_lines(reading: Reading) -> Lines:
    """The text that was read, its lines marked with the numbers of the notes."""
    marks: dict[int, list[int]] = {}
    for number, note in enumerate(reading.notes, 1):
        if note.line is not None:
            marks.setdefault(note.line, []).append(number)
    texts = reading.content.text.rstrip("\n").split("\n")
    shown = [
        Line(number, text, marks.get(number, ()))
        for number, text in enumerate(texts[:MOST_LINES], 1)
    ]
    return Lines(shown, len(texts) - len(shown))


def target_lines(reading: Reading, text: str) -> Lines:
    """The document that it becomes, with what is changed, wrong, or by default."""
    lines = lines_by_path(text)
    marks: dict[int, list[int]] = {}
    for number, note in enumerate(reading.notes, 1):
        line = line_of(target_path(_format(reading), note.path), lines)
        if note.kind == "changed" and line is not None:
            marks.setdefault(line, []).append(number)
    wrong = {line_of(problem.path, lines) for problem in reading.problems}
    defaults = default_lines(reading.document, lines) if reading.definition else set()
    texts = text.rstrip("\n").split("\n")
    shown = [
        Line(
            number,
            line,
            marks.get(number, ()),
            number in wrong,
            "by default here" if number in defaults else "",
        )
        for number, line in enumerate(texts[:MOST_LINES], 1)
    ]
    return Lines(shown, len(texts) - len(shown))


def target_path(format: str, path: str) -> str:
    """Where a setting of another system stands in a document of ours."""
    places = PLACES.get(format, {})
    prefix = path
    while prefix:
        if prefix in places:
            return places[prefix] + path.removeprefix(prefix)
        prefix = prefix.rpartition(".")[0]
    return path


def default_lines(given: Mapping[str, Any], lines: Mapping[str, int]) -> set[int]:
    """The lines of fields that the document did not have."""
    parents = {path.rpartition(".")[0] for path in lines}
    return {
        line
        for path, line in lines.items()
        if path.count(".") < 2
        and path not in parents
        and path.partition(".")[0] not in FREE
        and not _is_given(given, path)
    }


def _is_given(document: Any, path: str) -> bool:
    for key in path.split("."):
        if not isinstance(document, Mapping):
            # A bare name, such as `sampling_algorithm: random`, is the setting's type.
            return key == "type"
        if key not in document:
            return False
        document = document[key]
    return True


def _format(reading: Reading) -> str:
    return reading.imported.format if reading.imported else ""
