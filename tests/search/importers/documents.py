"""The table of documents: each with what it becomes, its notes, or its problems.

A case is a text, then sections that begin with `===`: `FORMAT becomes` with the sweep
document as YAML, `notes` with a line each (kind, path, line, sentence), `trials` with a
JSON list each (parameters, value, state), or `problems` (path, sentence). `halving` has
the first report and the factor of a rule that becomes ASHA where there is that policy.
`until SAMPLER` has the note of a document for as long as this site has no such sampler
(or rule), and random search stands in for it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from experiments.search.importers.samplings import has_rule
from experiments.search.samplers import SAMPLERS
from experiments.search.termination import POLICIES

FOLDER = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """One document and what is expected of it."""

    name: str
    text: str
    format: str = ""
    document: dict[str, object] = field(default_factory=dict)
    notes: list[list[str]] = field(default_factory=list)
    trials: list[list[object]] = field(default_factory=list)
    problems: list[list[str]] = field(default_factory=list)
    halving: tuple[int, int] | None = None
    sampler: str = ""
    until: list[list[str]] = field(default_factory=list)

    @property
    def becomes(self) -> dict[str, object]:
        """The expected document, with ASHA and the sampler where this site has them."""
        document = dict(self.document)
        if self.halving is not None and "asha" in POLICIES:
            first, factor = self.halving
            rule = {"type": "asha", "min_resource": first, "reduction_factor": factor}
            document["early_termination"] = rule
        if self._is_missing:
            given = document["sampling_algorithm"]
            settings = given if isinstance(given, dict) else {}
            kept = {
                key: settings[key] for key in ("seed", "logbase") if key in settings
            }
            document["sampling_algorithm"] = {"type": "random", **kept}
        return document

    @property
    def noted(self) -> list[list[str]]:
        """The expected notes, by line."""
        rows = [*self.until, *self.notes] if self._is_missing else self.notes
        return sorted(rows, key=lambda row: math.inf if row[2] == "-" else int(row[2]))

    @property
    def _is_missing(self) -> bool:
        if self.sampler == "sobol":
            return not has_rule("sobol")
        return bool(self.sampler) and self.sampler not in SAMPLERS


def read_case(path: Path) -> Case:
    text, *sections = path.read_text().split("=== ")
    case = {"name": f"{path.parent.name}/{path.stem}", "text": text}
    for section in sections:
        title, _, body = section.partition("\n")
        rows = [line.split(" | ") for line in body.splitlines()]
        if title.endswith(" becomes"):
            case["format"] = title.partition(" ")[0]
            case["document"] = yaml.safe_load(body)
        elif title == "trials":
            case["trials"] = [json.loads(line) for line in body.splitlines()]
        elif title.startswith("until "):
            case["sampler"], case["until"] = title.partition(" ")[2], rows
        elif title == "halving":
            case["halving"] = tuple(map(int, body.split()))
        else:
            case[title] = rows
    return Case(**case)


CASES = [read_case(path) for path in sorted(FOLDER.glob("*/*.case"))]
# Read well, but wrong as they stand: whoever parses them says so.
INVALID = ("our_own_with_a_typo", "script_with_a_policy_that_is_no_literal")
GOOD = [case for case in CASES if not case.problems]
