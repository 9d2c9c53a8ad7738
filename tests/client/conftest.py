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
from django.test import Client

from experiments.api import rate_limits
from tests import factories

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


@pytest.fixture
def at_site(
    outside: Any,
    live_server: Any,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Any]:
    """The client of Ada at the real site."""
    settings.HOME = tmp_path / "home"
    # All pages are loaded with the first request, which takes seconds.
    Client().get("/healthz")
    rate_limits.requests.clear()
    factories.team("Physics", ada="member")
    monkeypatch.setenv("SWEEPSITE_URL", live_server.url)
    monkeypatch.setenv("SWEEPSITE_TOKEN", factories.api_token(factories.user("ada")))
    yield outside
    # Else the site's threads keep theirs, and the database.
    for reports in outside._reports._reports.values():
        reports.flush()


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    """A module of a framework, with only what a callback needs of it."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        path = ".".join(parts[:end])
        module = ModuleType(path)
        monkeypatch.setitem(sys.modules, path, module)
        if end > 1:
            setattr(sys.modules[".".join(parts[: end - 1])], parts[end - 1], module)
    vars(sys.modules[name]).update(members)


class Base:
    """A framework's class of callbacks."""

    model: Any = None
