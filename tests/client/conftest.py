"""The client as a script imports it, fresh for each test, and the stand-in site."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENT = ROOT / "experiments/client"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fresh_client() -> ModuleType:
    """The package as a new process imports it."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "sweepsite_client"]:
        del sys.modules[name]
    return importlib.import_module("sweepsite_client")


StandInSite = load(ROOT / "tests/runner/stand_in_site.py").StandInSite


@pytest.fixture
def site() -> Iterator[Any]:
    standing_in = StandInSite()
    yield standing_in
    standing_in.hang = False
    standing_in.go_away()


@pytest.fixture
def client_path() -> Path:
    return CLIENT


@pytest.fixture(autouse=True)
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(CLIENT)


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client in a script that no sweep has started."""
    for name in [name for name in os.environ if name.startswith("SWEEPSITE_")]:
        monkeypatch.delenv(name)
    return fresh_client()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool.jsonl"


@pytest.fixture
def sweep(site: Any, spool: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client in a trial of the stand-in site."""
    monkeypatch.setenv("SWEEPSITE_URL", site.url)
    monkeypatch.setenv("SWEEPSITE_TRIAL_ID", "7")
    monkeypatch.setenv("SWEEPSITE_TOKEN", "trl_secret")
    monkeypatch.setenv("SWEEPSITE_PARAMS", '{"lr": 0.1, "units": [8, 8]}')
    monkeypatch.setenv("SWEEPSITE_SPOOL", str(spool))
    return fresh_client()
