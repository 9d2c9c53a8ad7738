"""The vendored libraries are the files that VERSIONS.json says they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"
PACKAGES = json.loads((VENDOR / "VERSIONS.json").read_text())["packages"]
FILES = [entry for package in PACKAGES for entry in package["files"]]


@pytest.mark.parametrize("entry", FILES, ids=lambda entry: entry["file"])
def test_a_vendored_file_has_the_noted_hash(entry: dict[str, str]) -> None:
    content = (VENDOR / entry["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]


@pytest.mark.parametrize("entry", FILES, ids=lambda entry: entry["file"])
def test_a_vendored_file_names_no_source_map(entry: dict[str, str]) -> None:
    assert b"sourceMappingURL" not in (VENDOR / entry["file"]).read_bytes()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package["name"])
def test_a_package_comes_with_its_licence_and_its_own_version(
    package: dict[str, Any],
) -> None:
    licence = (VENDOR / package["licence_file"]).read_text()
    assert "Permission is hereby granted, free of charge" in licence
    head = (VENDOR / package["files"][0]["file"]).read_text()[:400]
    assert f"v{package['version']}" in head


def test_every_file_under_vendor_is_accounted_for() -> None:
    noted = {entry["file"] for entry in FILES}
    noted |= {package["licence_file"] for package in PACKAGES}
    found = {
        path.relative_to(VENDOR).as_posix()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "VERSIONS.json"
    }
    assert found == noted


def test_axe_core_is_the_published_file_with_its_licence() -> None:
    folder = Path(__file__).resolve().parents[1] / "vendor" / "axe-core"
    content = (folder / "axe.min.js").read_bytes()
    assert b"axe v4.14.1" in content[:100]
    digest = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
    assert hashlib.sha256(content).hexdigest() == digest
    assert "Mozilla Public License" in (folder / "LICENSE").read_text()
