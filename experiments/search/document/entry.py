"""What a document must also satisfy when a person or program hands it in.

Sweeps that were made before one of these rules still have to be read, so
`parse_document` does not know them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from experiments.search.document.code import stays_inside
from experiments.search.document.definition import SweepDefinition, examine
from experiments.search.fields import DefinitionError, Problem, shown
from experiments.search.samplers import fresh_seed
from experiments.search.wording import unseen_problem, visible

# The beginning of a requirement as PEP 508 has it, an option of pip, a path or address.
REQUIREMENT = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\s*\[[\w\s,.-]*\])?\s*([<>=!~;@(#].*)?"
    r"|-.+|\.{0,2}/.+|[\w+.-]+:.+|\S+\.(whl|zip|tar\.gz)(\s.*)?|#.*"
)


def read_entry(
    document: Mapping[str, object], *, new_seed: Callable[[], int] = fresh_seed
) -> SweepDefinition:
    """As `parse_document`, for a document that is handed in. Raises DefinitionError."""
    definition, problems = examine(document, new_seed=new_seed)
    paths = {problem.path for problem in problems}
    entered = (each for each in entry_problems(definition) if each.path not in paths)
    if problems := [*problems, *entered]:
        raise DefinitionError(problems)
    return definition


def entry_problems(definition: SweepDefinition) -> list[Problem]:
    """What is wrong with names, interpreter and requirements of a new sweep."""
    return [
        *name_problems(definition),
        *_unseen_in_texts(definition),
        *_program_problems(definition),
    ]


def name_problems(definition: SweepDefinition) -> Iterator[Problem]:
    """Names that people type must look like what they are."""
    name = definition.experiment_name
    names = {
        "experiment_name": name,
        "display_name": definition.display_name,
        "objective.primary_metric": definition.objective.primary_metric,
    }
    found = {path: unseen_problem(text, in_line=True) for path, text in names.items()}
    for tag, text in definition.tags.items():
        found[f"tags.{visible(tag)}"] = unseen_problem(f"{tag} {text}")
    yield from (Problem(path, words) for path, words in found.items() if words)
    if not {".", ".."}.isdisjoint(part.strip() for part in name.split("/")):
        yield Problem(
            "experiment_name",
            "An experiment's name must not have . or .. as a part, as a path has:"
            f" {shown(name)}. Allowed is any other text, such as digits or"
            " vision/digits.",
        )


def _unseen_in_texts(definition: SweepDefinition) -> Iterator[Problem]:
    """What runs must be what people read; these texts may have several lines."""
    texts = {
        "description": definition.description,
        "trial.command": definition.trial.command,
    }
    code = definition.trial.code
    git = code.get("git") if isinstance(code, Mapping) else None
    if isinstance(git, Mapping):
        texts |= {f"trial.code.git.{name}": str(text) for name, text in git.items()}
    found = {path: unseen_problem(text) for path, text in texts.items()}
    yield from (Problem(path, words) for path, words in found.items() if words)


def _program_problems(definition: SweepDefinition) -> Iterator[Problem]:
    python = definition.trial.python
    is_relative = python and "/" in python and not python.startswith(("/", "~"))
    if python and is_relative and not stays_inside(python.removeprefix("./")):
        yield Problem(
            "trial.python",
            "A relative path of python starts in the code's folder and must stay inside"
            f" it, such as .venv/bin/python, not {shown(python)}. Outside it, name the"
            " absolute path.",
        )
    lines = definition.trial.requirements
    for line in lines if isinstance(lines, tuple) else ():
        if not REQUIREMENT.fullmatch(line):
            yield Problem(
                "trial.requirements",
                f"{shown(line)} is not a requirement. Allowed is what pip reads, a line"
                " each, such as numpy==2.1.",
            )
