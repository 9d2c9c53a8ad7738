"""Whether a path of the worker's disk lies in a folder that its pool allows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from experiments.runner.code import CodeError

# Names under which keys and passwords are kept, whatever lies around them. No pool can
# allow what has one in its path.
SECRET = frozenset(
    {
        ".aws",
        ".azure",
        ".config",
        ".docker",
        ".git-credentials",
        ".gnupg",
        ".kube",
        ".netrc",
        ".password-store",
        ".pki",
        ".ssh",
    }
)
KEPT = "is where keys and passwords are kept, which no pool opens to sweeps"


def allowed_path(path: str, allowed: Sequence[str]) -> Path:
    """The path with every link resolved.

    Raises CodeError where it, or what its links lead to, lies outside every folder in
    `allowed`, whose own links are resolved as well, or where keys are kept.
    """
    if not os.path.isabs(path) or ".." in Path(path).parts:
        raise CodeError(f"{path!r} is not a whole path such as /srv/code, without ..")
    real = Path(os.path.realpath(path))
    if not lies_in(real, resolved(allowed)):
        raise CodeError(
            f"{path} does not lie in a folder that the worker's pool allows; allowed "
            f"are {', '.join(allowed) or 'none'}. An admin may add it to the pool"
        )
    if secret := secret_part(real):
        raise CodeError(f"{path} leads to {real}, and {secret} {KEPT}")
    return real


def resolved(allowed: Sequence[str]) -> list[Path]:
    """The allowed folders with every link resolved; what is no whole path allows
    nothing."""
    return [Path(os.path.realpath(each)) for each in allowed if os.path.isabs(each)]


def lies_in(real: Path, homes: Sequence[Path]) -> bool:
    """Whether a resolved path is one of the resolved folders, or inside one."""
    return any(real.is_relative_to(home) for home in homes)


def secret_part(path: PurePath) -> str:
    """The part of a path under which keys and passwords are kept; empty: none."""
    return next((part for part in path.parts if part.lower() in SECRET), "")
