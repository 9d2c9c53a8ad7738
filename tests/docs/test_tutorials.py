"""The scripts of the tutorials run, and their sweeps name what they take and report."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from experiments.code.scripts.reading import read_script
from experiments.runner.collectors.lines import name_value
from experiments.search.formats import definition_of, import_sweep
from tests.docs.blocks import ROOT, Block, every_block

TUTORIALS = [block for block in every_block() if "/tutorials/" in block.page]
# These talk to a site: tests/client/test_docs.py runs them.
LIVE = ("connect()", "Workspace.from_config()")
SCRIPTS = [
    block
    for block in TUTORIALS
    if block.language == "python" and not any(word in block.code for word in LIVE)
]
# Of the trials that run outside a sweep.
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(ROOT / "experiments/client"),
    "OMP_NUM_THREADS": "1",
}


def sweep_of(page: str) -> Mapping[str, Any]:
    (block,) = (b for b in TUTORIALS if b.page == page and b.language == "yaml")
    return definition_of(import_sweep(block.code)).dump()


def missing_packages(code: str) -> list[str]:
    """Those that no requirements file of the site brings, by the names of imports."""
    imported = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Import)]
    names = [alias.name.partition(".")[0] for node in imported for alias in node.names]
    return [n for n in names if n != "sweepsite_client" and find_spec(n) is None]


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
def test_a_script_runs_and_reports_the_metric_of_its_sweep(
    block: Block, tmp_path: Path
) -> None:
    """One whose package is not here says in bold which it needs."""
    if missing := missing_packages(block.code):
        page = (ROOT / block.page).read_text()
        assert f"**This tutorial needs the package `{missing[0]}`" in page
        assert f"`pip install {missing[0]}`" in page
        compile(block.code, str(block), "exec")
        return
    (tmp_path / "train.py").write_text(block.code)
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    primary = sweep_of(block.page)["objective"]["primary_metric"]
    assert f"{primary}=" in done.stdout


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
def test_a_sweep_searches_what_its_script_takes(block: Block) -> None:
    reading = read_script(block.code)
    assert not reading.problem and not reading.unread
    taken = {argument.name for argument in reading.arguments}
    definition = sweep_of(block.page)
    space, inputs = definition["search_space"], definition.get("inputs", {})
    assert {*space, *inputs} - taken == set()
    choices = {a.name: a.choices for a in reading.arguments if a.choices}
    for name, allowed in choices.items():
        values = space[name]["values"]
        assert set(values) <= set(allowed)


def test_a_program_in_another_language_prints_what_the_worker_reads(
    tmp_path: Path,
) -> None:
    (block,) = (block for block in TUTORIALS if block.language == "bash")
    (tmp_path / "train.sh").write_text(block.code)
    words = ["bash", "train.sh", "--rate", "0.1", "--steps", "20"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    parse = name_value({"error"})
    found = [reading for line in done.stdout.splitlines() for reading in parse(line)]
    assert len(found) == 20
    assert found[-1].value < 0.01 < found[0].value
