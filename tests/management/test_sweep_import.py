"""sweep check, submit and export with the files of other systems."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from experiments.models import Sweep
from experiments.search.document.definition import parse_document
from experiments.search.formats import import_sweep
from tests import factories
from tests.management.conftest import Run
from tests.pages.importing import import_samples as samples

FORMATS = [
    (samples.WANDB, "a Weights & Biases sweep"),
    (samples.AZURE, "an Azure ML sweep"),
    (samples.ARTICLE, "an Azure ML sweep"),
    (samples.KATIB, "a Katib experiment"),
    (samples.NNI, "an NNI experiment"),
    (samples.study(0.5, 0.7), "an Optuna study"),
]


def written(folder: Path, text: str) -> Path:
    path = folder / "sweep.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("text", "name"), FORMATS)
def test_check_takes_every_format(
    run: Run, tmp_path: Path, text: str, name: str
) -> None:
    ran = run("sweep", "check", written(tmp_path, text))
    assert ran.code == 0, ran.err
    assert f"# read as: {name}\n" in ran.out
    assert ran.out.count("# such as: {") == 5
    document = yaml.safe_load(ran.out)
    assert parse_document(document).dump() == document


def test_check_lists_what_does_not_carry_over(run: Run, tmp_path: Path) -> None:
    out = run("sweep", "check", written(tmp_path, samples.WANDB)).out
    (line,) = [line for line in out.splitlines() if "warning: entity" in line]
    assert line.startswith("# warning: entity: Left out. ")
    assert line.endswith("(line 18)")


def test_check_takes_a_foreign_file_without_its_folder(
    run: Run, tmp_path: Path
) -> None:
    ran = run("sweep", "check", written(tmp_path, samples.AZURE))
    assert ran.code == 0 and "# warning: trial.code: There is no folder" in ran.out


def test_check_takes_a_storage_file(run: Run, tmp_path: Path) -> None:
    samples.storage(tmp_path / "one.db", "wine", trials=4)
    ran = run("sweep", "check", tmp_path / "one.db")
    assert ran.code == 0 and "# finished trials: 4, 4 usable" in ran.out
    samples.storage(tmp_path / "two.db", "wine", "beer")
    ran = run("sweep", "check", tmp_path / "two.db")
    assert ran.code == 1 and "beer" in ran.err
    assert "Choose one with --part, such as --part wine.\n" in ran.err
    ran = run("sweep", "check", tmp_path / "two.db", "--part", "ale")
    assert ran.code == 1 and "Choose one with --part" in ran.err
    ran = run("sweep", "check", tmp_path / "two.db", "--part", "beer")
    assert ran.code == 0 and "display_name: beer" in ran.out


def test_an_invalid_foreign_file_exits_1_with_paths(run: Run, tmp_path: Path) -> None:
    text = samples.WANDB.replace("run_cap: 20", "run_cap: 0")
    ran = run("sweep", "check", written(tmp_path, text))
    assert ran.code == 1 and ran.out == ""
    assert ran.err.startswith("run_cap: run_cap must be a whole number")


def test_what_is_no_sweep_exits_1(run: Run, tmp_path: Path) -> None:
    ran = run("sweep", "check", written(tmp_path, "a: 1\n"))
    assert ran.code == 1 and ran.out == "" and "Katib" in ran.err


def test_each_mistake_in_our_own_document_is_an_error(run: Run, tmp_path: Path) -> None:
    ran = run("sweep", "check", written(tmp_path, "trial: {}\nnonsense: 1\n"))
    assert ran.code == 1
    paths = {line.partition(":")[0] for line in ran.err.splitlines()}
    assert {"trial.command", "search_space", "objective", "nonsense"} <= paths


def test_submit_makes_a_sweep_of_a_foreign_file(run: Run, tmp_path: Path) -> None:
    factories.team("Physics")
    file = written(tmp_path, samples.WANDB)
    ran = run("sweep", "submit", file, "--no-start")
    assert ran.code == 0, ran.err
    assert "warning: entity: Left out." in ran.err
    assert Sweep.objects.get().primary_metric == "val_acc"


def test_submit_takes_the_files_beside_a_foreign_one(run: Run, tmp_path: Path) -> None:
    factories.team("Physics")
    folder = tmp_path / "experiment"
    folder.mkdir()
    (folder / "fit.py").write_text("print('default=1')")
    (folder / "space.json").write_text('{"lr": {"_type": "uniform", "_value": [0, 1]}}')
    config = "trialCommand: python3 fit.py\ntrialConcurrency: 2\nmaxTrialNumber: 3\n"
    (folder / "config.yml").write_text(f"{config}searchSpaceFile: space.json\n")
    ran = run("sweep", "submit", folder / "config.yml", "--no-start")
    assert ran.code == 0, ran.err
    sweep = Sweep.objects.get()
    assert list(sweep.definition["search_space"]) == ["lr"]
    assert sweep.code is not None and "fit.py" in str(sweep.code.files)
    # Only from the document's own folder.
    (tmp_path / "space.json").write_text("{}")
    (folder / "config.yml").write_text(f"{config}searchSpaceFile: ../space.json\n")
    ran = run("sweep", "check", folder / "config.yml")
    assert ran.code == 1 and "is in another file" in ran.err


def test_submit_brings_finished_trials_along(run: Run, tmp_path: Path) -> None:
    factories.team("Physics")
    file = written(tmp_path, samples.study(0.5, None, 0.7))
    ran = run("sweep", "submit", file, "--no-start")
    assert "Imported 3 finished trials." in ran.err
    sweep = Sweep.objects.get()
    assert [trial.value for trial in sweep.trials.all()] == [0.5, None, 0.7]
    assert sweep.max_total_trials == 103


@pytest.mark.parametrize("name", ["azure", "wandb", "katib"])
def test_export_writes_what_can_be_read_again(run: Run, name: str) -> None:
    document = factories.definition_document(retries={"max_attempts": 5})
    sweep = factories.sweep(factories.team("Physics"), document=document)
    ran = run("sweep", "export", sweep.pk, "--format", name)
    assert ran.code == 0
    imported = import_sweep(ran.out)
    assert imported.format == name
    read = parse_document(imported.document)
    assert read.search_space.contains({"x": 0.5})
    assert read.objective == parse_document(document).objective
    assert "warning: retries" in ran.err
