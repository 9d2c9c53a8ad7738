"""The look-up of known vulnerabilities: what fails a build, and what only says so."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CI = Path(__file__).resolve().parents[1] / ".ci"
CLEAN = {"name": "django", "version": "5.2.1", "vulns": []}
HIT = {"id": "CVE-2026-1", "fix_versions": ["5.2.2"]}
UNKNOWN = {"name": "rq", "version": "3.0", "skip_reason": "not found"}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, CI / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def packages(*found: dict[str, Any]) -> str:
    return json.dumps({"dependencies": found})


@pytest.mark.parametrize(
    ("out", "code", "sentence"),
    [
        (packages(CLEAN, UNKNOWN), 0, "1 of 2 packages were checked."),
        (packages({**CLEAN, "vulns": [HIT]}), 1, "django 5.2.1: CVE-2026-1, 5.2.2"),
        (packages(UNKNOWN), 0, "NOT CHECKED for known vulnerabilities"),
        ("", 0, "NOT CHECKED for known vulnerabilities. pip-audit failed"),
    ],
)
def test_only_a_known_vulnerability_fails_the_build(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    out: str,
    code: int,
    sentence: str,
) -> None:
    audit = script("audit")
    done = subprocess.CompletedProcess((), 0, stdout=out, stderr="no route to host")
    monkeypatch.setattr(audit, "_output", lambda *command: done)
    assert audit.main("python") == code
    assert sentence in capsys.readouterr().out


def test_the_bill_of_materials_has_the_browser_files() -> None:
    (chart,) = script("sbom").vendored()
    assert chart["purl"].startswith("pkg:npm/chart.js@")
    assert len(chart["hashes"][0]["content"]) == 64
