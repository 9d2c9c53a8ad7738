"""Code that lies on the workers' own disks: only in folders that a pool allows.

The rule here is one of names. The worker looks again, with every link resolved.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from experiments.models import Pool
from experiments.search.definition import SweepDefinition
from experiments.search.problems import DefinitionError, Problem

FILE = "file://"


def with_shared_code(definition: SweepDefinition, pool: Pool) -> SweepDefinition:
    """The definition, with a plain path that the pool allows written as a folder.

    Raises DefinitionError where it names a folder that the pool does not allow.
    """
    code: Any = definition.trial.code
    if isinstance(code, str) and is_allowed(code, pool):
        folder = str(PurePosixPath(code))
        trial = replace(definition.trial, code={"folder": folder})
        return replace(definition, trial=trial)
    problem = shared_code_problem(code, pool)
    if problem is not None:
        raise DefinitionError((problem,))
    return definition


def shared_code_problem(code: object, pool: Pool) -> Problem | None:
    """What is wrong with a document's `code`, as far as that is the pool's to say."""
    if not isinstance(code, dict):
        return None
    if isinstance(code.get("folder"), str):
        return _problem("trial.code.folder", code["folder"], pool)
    git = code.get("git")
    url = git.get("url") if isinstance(git, dict) else None
    if isinstance(url, str) and url.startswith(FILE):
        return _problem("trial.code.git.url", unquote(url.removeprefix(FILE)), pool)
    return None


def is_allowed(path: str, pool: Pool) -> bool:
    """Whether a path is one of the pool's folders, or inside one, by its name."""
    wanted = PurePosixPath(path)
    if not wanted.is_absolute() or ".." in wanted.parts or not path.isprintable():
        return False
    homes = (PurePosixPath(str(folder)) for folder in pool.folders)
    return any(
        wanted.is_relative_to(home)
        for home in homes
        if home.is_absolute() and ".." not in home.parts
    )


def _problem(path: str, folder: str, pool: Pool) -> Problem | None:
    if is_allowed(folder, pool):
        return None
    allowed = ", ".join(str(each) for each in pool.folders) or "none yet"
    return Problem(
        path,
        f"{folder} does not lie in a folder that the pool {pool.name} allows; allowed"
        f" are: {allowed}. An admin may add it to the pool.",
    )
