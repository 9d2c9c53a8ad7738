"""sweep check: a document read, sampled, and not stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.models import CodeSnapshot, Sweep
from experiments.search.definition import parse_document
from tests import factories
from tests.commands.conftest import Run

DEMO = Path(__file__).resolve().parents[2] / "experiments" / "demo" / "sweep.yaml"


def written(path: Path, **changes: Any) -> Path:
    path.write_text(yaml.safe_dump(factories.definition_document(**changes)))
    return path


def test_the_output_is_the_canonical_document(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "s.yaml", search_space={"x": "choice(1, 2, 3)"})
    ran = run("sweep", "check", file)
    assert ran.code == 0
    document = yaml.safe_load(ran.out)
    assert document["search_space"]["x"] == {"type": "choice", "values": [1, 2, 3]}
    assert parse_document(document).dump() == document


def test_combinations_and_five_configurations_are_shown(
    run: Run, tmp_path: Path
) -> None:
    space = {"x": "choice(1, 2, 3)", "y": "choice(1, 2)"}
    ran = run("sweep", "check", written(tmp_path / "s.yaml", search_space=space))
    assert "# combinations: 6\n" in ran.out
    assert ran.out.count("# such as: {") == 5


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
