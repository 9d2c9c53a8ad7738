"""Azure's `from azureml.core import Run`, where the real package is absent.

This folder is the last of a trial's PYTHONPATH. A real `azureml` in the trial's
environment is used instead: one with an `__init__.py` is found first, and one without
shares its parts with this, so it is looked for here.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any


def _load_real() -> bool:
    """Put the real package into this one's place; False if there is none."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parts = [os.path.abspath(part) for part in sys.modules["azureml"].__path__]
    spec = PathFinder.find_spec(__name__, [part for part in parts if part != own])
    if spec is None or spec.loader is None:
        return False
    module = module_from_spec(spec)
    sys.modules[__name__] = module
    spec.loader.exec_module(module)
    return True


if not _load_real():
    from .run import Run

    __all__ = ["Run"]


def __getattr__(name: str) -> Any:
    if name[:1].isupper():
        raise ImportError(
            f"azureml-core is not installed, so there is no {name}; a trial has only"
            " Run. Add azureml-core to the trial's requirements if you need it."
        )
    raise AttributeError(name)
