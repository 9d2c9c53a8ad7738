"""A sweep of any format, read for a team: what it becomes, and what does not fit."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments import access
from experiments.checking import read_sweep
from experiments.models import Experiment, Team
from experiments.pages.importing.content import Content
from experiments.search.definition import SweepDefinition, parse_document
from experiments.search.git_address import is_address
from experiments.search.importers import FaultyImport, FinishedTrial, Imported, Note
from experiments.search.importers.lines import lines_of
from experiments.search.importers.parts import parts_of
from experiments.search.importers.places import Places
from experiments.search.problems import DefinitionError, Problem, listed, shown
from experiments.warm_trials import usable_trials


@dataclass(frozen=True)
class Reading:
    """What was read of a content.

    `imported` is None for a content that could not be read, `definition` also for one
    that is no valid sweep. `problems` are in the words of the content, `wrong` are the
    paths of those that what it becomes has. Of a `faulty` content only a part could be
    read. `parts` are the names to choose from where there are several sweeps. `took` is
    in milliseconds.
    """

    content: Content
    format: str
    part: str
    imported: Imported | None
    document: Mapping[str, Any]
    definition: SweepDefinition | None
    notes: Sequence[Note]
    problems: Sequence[Problem]
    wrong: Sequence[str]
    parts: Sequence[str]
    took: float
    faulty: bool = False

    @property
    def places(self) -> Places:
        """Where the fields of what it becomes stand in the content."""
        return self.imported.places if self.imported else Places()

    @property
    def first_note(self) -> int:
        """The number of the first note: they are counted on from the problems."""
        return len(self.problems) + 1

    @property
    def trials(self) -> Sequence[FinishedTrial]:
        """The finished trials that come along."""
        if self.imported is None or self.definition is None:
            return ()
        return usable_trials(self.definition.search_space, self.imported.trials)


def read_content(
    content: Content,
    team: Team,
    *,
    experiment: Experiment | None = None,
    format: str = "",
    part: str = "",
) -> Reading:
    """Read and check a content for a team; the same content gives the same sweep."""
    start = time.perf_counter()
    imported, definition = None, None
    document: dict[str, Any] = {}
    notes: list[Note] = []
    problems: Sequence[Problem] = ()
    wrong: Sequence[str] = ()
    faulty = False
    try:
        imported, problems = read_part(content.data, part=part, format=format)
        faulty = bool(problems)
        document = dict(imported.document)
        notes = merged(imported.notes, settle(document, team, imported, content))
        if experiment is not None:
            document["experiment_name"] = experiment.name
        definition = parse_document(document, new_seed=lambda: _seed(content))
    except DefinitionError as error:
        wrong = [problem.path for problem in error.problems]
        if not problems:
            told = imported.places.told if imported else list
            problems = told(error.problems)
    parts = parts_of(content.data)
    return Reading(
        content=content,
        format=format,
        part=part,
        imported=imported,
        document=document,
        definition=None if problems else definition,
        notes=notes,
        problems=problems,
        wrong=wrong,
        faulty=faulty,
        parts=parts if len(parts) > 1 else (),
        took=1000 * (time.perf_counter() - start),
    )


def read_part(
    data: str | bytes, *, part: str, format: str
) -> tuple[Imported, Sequence[Problem]]:
    """A sweep, or as much of one as could be read with all that is wrong with it.

    Raises DefinitionError for a content that is no sweep at all.
    """
    try:
        return read_sweep(data, part=part, format=format), ()
    except FaultyImport as error:
        return error.imported, error.problems


def settle(
    document: dict[str, Any], team: Team, imported: Imported, content: Content
) -> list[Note]:
    """Put a pool of the team and code that can be had into the document."""
    found = [_settle_code(document), _settle_pool(document, team)]
    lines = lines_of(content.text) if imported.format != "optuna" else {}
    return [
        Note(path, lines.get(path), "left out" if gone else "changed", message, advice)
        for path, gone, message, advice in filter(None, found)
    ]


def merged(notes: Sequence[Note], settled: Sequence[Note]) -> list[Note]:
    """All notes by line, one a setting of those that the team's own replaces."""
    replaced = {note.path for note in settled}
    kept = [note for note in notes if note.path not in replaced]
    last = max((note.line or 0 for note in notes), default=0) + 1
    return sorted([*kept, *settled], key=lambda note: note.line or last)


Found = tuple[str, bool, str, str]


def _settle_code(document: dict[str, Any]) -> Found | None:
    """A folder beside the file is not here."""
    trial = document.get("trial")
    code = trial.get("code") if isinstance(trial, Mapping) else None
    if not isinstance(trial, Mapping) or not isinstance(code, str) or is_address(code):
        return None
    document["trial"] = {key: trial[key] for key in trial if key != "code"}
    message = f"The folder {shown(code)} is beside the file and not here."
    return "trial.code", True, message, "Choose its files in the form."


def _settle_pool(document: dict[str, Any], team: Team) -> Found | None:
    pools = list(access.pools_for_team(team).values_list("name", flat=True))
    named = document.get("compute")
    name = named.removeprefix("azureml:") if isinstance(named, str) else "default"
    if not pools or name in pools:
        return None
    document["compute"] = pools[0]
    if named is None:
        return None
    message = (
        f"Team {team.name} has no worker pool {shown(name)}; {pools[0]} takes its"
        " place."
    )
    others = listed(pools[1:20], last="or")
    return "compute", False, message, f"There is {others}, too." if others else ""


def _seed(content: Content) -> int:
    """A seed that does not change between what is shown and what is stored."""
    data = content.data.encode() if isinstance(content.data, str) else content.data
    return int.from_bytes(hashlib.sha256(data).digest()[:4]) >> 1
