"""sweep check: a document read, sampled, and not stored."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.models import CodeSnapshot, Sweep
from experiments.search.document.definition import parse_document
from experiments.search.preview import space_histograms
from tests import factories
from tests.management.conftest import Run

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "experiments" / "demo" / "sweep.yaml"
OURS = ("SWEEPSITE_", "DATABASE_URL", "REDIS_URL", "DJANGO_")


def written(path: Path, **changes: Any) -> Path:
    if "x" not in changes.get("search_space", ["x"]):
        changes = {"trial": {"command": "true"}, **changes}
    path.write_text(yaml.safe_dump(factories.definition_document(**changes)))
    return path


def test_the_output_is_the_canonical_document(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "s.yaml", search_space={"x": "choice(1, 2, 3)"})
    ran = run("sweep", "check", file)
    assert ran.code == 0
    document = yaml.safe_load(ran.out)
    assert document["search_space"]["x"] == {"type": "choice", "values": [1, 2, 3]}
    assert parse_document(document).dump() == document


def test_combinations_and_ten_configurations_are_shown(
    run: Run, tmp_path: Path
) -> None:
    space = {"x": "choice(1, 2, 3)", "y": "choice(1, 2)"}
    ran = run("sweep", "check", written(tmp_path / "s.yaml", search_space=space))
    assert "# combinations: 6\n" in ran.out
    assert ran.out.count("# such as: {") == 5
    space["z"] = "uniform(0, 1)"
    ran = run("sweep", "check", written(tmp_path / "s.yaml", search_space=space))
    assert ran.out.count("# such as: {") == 5


def bars_of(out: str) -> dict[str, list[str]]:
    """The lines of every parameter's histogram by its heading."""
    found: dict[str, list[str]] = {}
    for line in out.partition("how often they are drawn:\n")[2].splitlines():
        if line.startswith("#     "):
            found[list(found)[-1]].append(line.removeprefix("#     "))
        elif line.startswith("#   "):
            found[line.removeprefix("#   ")] = []
    return found


def test_every_parameter_has_a_histogram_from_the_sweeps_own_draws(
    run: Run, tmp_path: Path
) -> None:
    space = {
        "lr": {"type": "float", "low": 0.001, "high": 1, "log": True},
        "optimizer": {
            "type": "choice",
            "values": ["sgd", "adam"],
            "probabilities": [0.75, 0.25],
        },
        "momentum": {
            "type": "uniform",
            "min_value": 0,
            "max_value": 1,
            "when": {"optimizer": "sgd"},
        },
        "net": {
            "type": "choice",
            "values": [
                {"k": 1, "units": {"type": "int", "low": 1, "high": 2}},
                {"k": 2},
            ],
        },
    }
    file = written(
        tmp_path / "s.yaml", search_space=space, constraints=["momentum <= 0.5"]
    )
    ran = run("sweep", "check", file)
    document = yaml.safe_load(ran.out)
    pictures = space_histograms(parse_document(document).search_space, bins=10)
    bars = bars_of(ran.out)
    assert [heading.split(",")[0] for heading in bars] == list(pictures)
    assert "lr, log scale" in bars and "net" in bars
    share = f"{100 * pictures['momentum'].share:.1f} %"
    momentum = bars[f"momentum, set in {share} of all configurations"]
    assert len(momentum) == 10 and 0.49 < float(momentum[-1].split()[2]) <= 0.5
    assert bars["net"][0].startswith("{k: 1, units: …} ")
    sgd, adam = pictures["optimizer"].counts
    assert bars["optimizer"][0].startswith("sgd ")
    assert bars["optimizer"][0].endswith(
        f" {100 * sgd / (sgd + adam):.1f} %  {'=' * 30}"
    )
    assert bars["optimizer"][1].count("=") == -(-30 * adam // sgd)


def test_a_text_of_the_document_cannot_draw_over_the_terminal(
    run: Run, tmp_path: Path
) -> None:
    values = ["a\n# fake: line", "\x1b[2J", "x" * 500, *map(str, range(20))]
    space = {"text": {"type": "choice", "values": values}}
    ran = run("sweep", "check", written(tmp_path / "s.yaml", search_space=space))
    (lines,) = bars_of(ran.out).values()
    assert len(lines) == 11 and lines[-1].startswith("other values ")
    assert all(len(line) < 88 for line in lines)
    assert "# fake: line\n" not in ran.out and "\x1b" not in ran.out


def test_a_pool_that_the_site_does_not_have_is_a_warning(
    run: Run, tmp_path: Path
) -> None:
    factories.pool(factories.team())
    ran = run("sweep", "check", written(tmp_path / "s.yaml", compute="gpu"))
    assert ran.code == 0
    assert 'compute: There is no worker pool "gpu" on this site; its pools' in ran.out
    ran = run("sweep", "check", written(tmp_path / "s.yaml", compute="default"))
    assert "worker pool" not in ran.out


def test_a_grid_that_finds_nothing_in_time_is_a_problem_of_the_constraints(
    run: Run, tmp_path: Path
) -> None:
    file = written(
        tmp_path / "s.yaml",
        search_space={f"x{n}": "randint(1000)" for n in range(4)},
        constraints=["x0 / x1 < x2 / x3"],
        sampling_algorithm={"type": "grid"},
        limits={"max_total_trials": 5},
    )
    ran = run("sweep", "check", file)
    assert ran.code == 1 and ran.out == ""
    assert ran.err.startswith("constraints: After 0 configurations no other")


def test_an_infinite_space_is_called_so(run: Run) -> None:
    ran = run("sweep", "check", DEMO)
    assert ran.code == 0 and "# combinations: infinitely many" in ran.out
    assert not Sweep.objects.exists() and not CodeSnapshot.objects.exists()


def test_warnings_are_shown(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "s.yaml", identity={"type": "managed"})
    assert "# warning: identity: " in run("sweep", "check", file).out


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"search_space": {"x": "uniform(1)"}}, "search_space.x"),
        ({"objective": {"primary_metric": "a", "goal": "big"}}, "objective.goal"),
        ({"trial": {"command": "true", "code": "./none"}}, "trial.code"),
    ],
)
def test_an_invalid_document_exits_1_with_path_and_sentence(
    run: Run, tmp_path: Path, changes: dict[str, Any], path: str
) -> None:
    ran = run("sweep", "check", written(tmp_path / "s.yaml", **changes))
    assert ran.code == 1 and ran.out == ""
    (line,) = ran.err.splitlines()
    assert line.startswith(path) and len(line) > len(path) + 10


@pytest.mark.parametrize("made", [False, True])
def test_it_works_without_an_installation_and_leaves_nothing_behind(
    tmp_path: Path, made: bool
) -> None:
    home, file = tmp_path / "home", tmp_path / "s.yaml"
    if made:
        home.mkdir()
    written(file, search_space={"x": "uniform(0, 1)"}, trial={"command": "true"})
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    ran = subprocess.run(
        [sys.executable, ROOT / "manage.py", "sweep", "check", file],
        env={**kept, "SWEEPSITE_HOME": str(home)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert parse_document(yaml.safe_load(ran.stdout)).objective.primary_metric
    assert "# combinations: infinitely many\n" in ran.stdout
    assert ran.stdout.count("# such as: {") >= 5
    skipped = [line for line in ran.stdout.splitlines() if "# skipped: " in line]
    assert len(skipped) == 1 and "no installation was found" in skipped[0]
    assert ran.stderr == ""
    assert {path.name for path in tmp_path.rglob("*")} - {"home"} == {"s.yaml"}
    assert home.exists() == made
