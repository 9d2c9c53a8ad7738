"""Scripts that use Azure's Run: with the stand-in, and with the real package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from experiments.runner.environment import STAND_INS

SCRIPT = """
import os
from azureml.core import Run
from azureml.core.run import Run as Same, _OfflineRun
run = Run.get_context()
assert run is Same.get_context() and not isinstance(run, _OfflineRun)
for value in (0.1, 0.2):
    run.log("accuracy", value)
run.log("accuracy", float("nan"), step=7)
run.log_list("loss", [3, 2])
run.log_row("table", f1=0.5)
run.log("note", "good")
open("picture.png", "wb").write(b"png")
run.log_image("plots/roc", path="picture.png")
run.upload_file("outputs/model.pkl", "picture.png")
run.upload_file("../../evil", "picture.png")
print(run.get_metrics()["loss"], run.experiment.workspace.get_default_datastore())
run.parent
run.tag("colour", "red")
run.take_a_snapshot("x")
run.complete()
try:
    from azureml.core import Workspace
except ImportError as problem:
    print(problem)
"""


def test_a_script_of_azure_reports(runners: Any, site: Any) -> None:
    assert runners.run("python", "-c", SCRIPT) == 0
    assert site.finish["exit_code"] == 0, site.text()
    points = {(p["name"], p["step"]): p["value"] for p in site.collected}
    assert points == {
        ("accuracy", 0): 0.1,
        ("accuracy", 1): 0.2,
        ("accuracy", 7): "NaN",
        ("loss", 0): 3.0,
        ("loss", 1): 2.0,
        ("table.f1", 0): 0.5,
    }
    assert set(site.artifacts) == {"plots/roc.png", "model.pkl", "evil"}
    text = site.text()
    for part in (
        "Run.log of note: 'good' is not a number",
        "Run.take_a_snapshot() of Azure does nothing",
        "the tag 'colour' is not kept",
        "there is no Workspace",
    ):
        assert part in text


def real(folder: Path, *, with_init: bool) -> Path:
    """A package in the place of the real one."""
    core = folder / "azureml" / "core"
    core.mkdir(parents=True)
    (core / "__init__.py").write_text("from azureml.core.run import Run\nWHO = 'real'")
    (core / "run.py").write_text("class Run:\n    pass\n")
    if with_init:
        (folder / "azureml" / "__init__.py").touch()
    return folder


def test_a_real_package_is_used_whatever_its_kind(tmp_path: Path) -> None:
    for with_init in (True, False):
        folder = real(tmp_path / str(with_init), with_init=with_init)
        # As packages of an environment, the real one comes after PYTHONPATH.
        script = (
            f"import sys; sys.path.append({str(folder)!r})\n"
            "import azureml.core, azureml.core.run\n"
            "from azureml.core import Run\n"
            "print(azureml.core.WHO, Run.__module__, azureml.core.run.__file__)"
        )
        shown = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": str(STAND_INS)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert shown[:2] == ["real", "azureml.core.run"]
        assert shown[2].startswith(str(folder))
