"""The table of documents, each with its result and notes, or its problems.

A case is a text, then sections that begin with `===`: `FORMAT becomes` with the sweep
document as YAML, `notes` with a line each (kind, path, line, sentence), `trials` with a
JSON list each (parameters, value, state), or `problems` (path, sentence).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """One document and its expected result."""

    name: str
    text: str
    format: str = ""
    document: dict[str, object] = field(default_factory=dict)
    notes: list[list[str]] = field(default_factory=list)
    trials: list[list[object]] = field(default_factory=list)
    problems: list[list[str]] = field(default_factory=list)


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
        else:
            case[title] = rows
    return Case(**case)


CASES = [read_case(path) for path in sorted(FOLDER.glob("*/*.case"))]
# These are imported; parsing the result reports their mistakes.
INVALID = ("our_own_with_a_typo", "script_with_a_policy_that_is_no_literal")
GOOD = [case for case in CASES if not case.problems]
