"""Whether a path of the worker's disk lies in a folder that its pool allows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from experiments.runner.code import CodeError


def allowed_path(path: str, allowed: Sequence[str]) -> Path:
    """The path with every link resolved.

    Raises CodeError where it, or what its links lead to, lies outside every folder in
    `allowed`, whose own links are resolved as well.
    """
    if not os.path.isabs(path) or ".." in Path(path).parts:
        raise CodeError(f"{path!r} is not a whole path such as /srv/code, without ..")
    real = Path(os.path.realpath(path))
    if not lies_in(real, resolved(allowed)):
        raise CodeError(
            f"{path} does not lie in a folder that the worker's pool allows; allowed "
            f"are {', '.join(allowed) or 'none'}. An admin may add it to the pool"
        )
    return real


def resolved(allowed: Sequence[str]) -> list[Path]:
    """The allowed folders with every link resolved; what is no whole path allows
    nothing."""
    return [Path(os.path.realpath(each)) for each in allowed if os.path.isabs(each)]


def lies_in(real: Path, homes: Sequence[Path]) -> bool:
    """Whether a resolved path is one of the resolved folders, or inside one."""
    return any(real.is_relative_to(home) for home in homes)
