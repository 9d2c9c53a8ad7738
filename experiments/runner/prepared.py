"""What a trial's preparation leaves for its start: which Python, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Prepared:
    """`python` is what the word stands for in a command, empty for the worker's own;
    `path` goes first on PATH, and `environment` is set beside it."""

    python: str = ""
    path: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


AS_IT_IS = Prepared()
