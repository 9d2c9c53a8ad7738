"""Limits of a trial and retries in the document, in the words that people use."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.search.document.definition import parse_document
from experiments.search.document.limits import bytes_of
from experiments.search.fields import DefinitionError


def document(**parts: Any) -> dict[str, Any]:
    limits = {"max_total_trials": 4, **parts.pop("limits", {})}
    return {
        "trial": {"command": "python train.py"},
        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "objective": {"primary_metric": "loss", "goal": "minimize"},
        "limits": limits,
        **parts,
    }


def problems(**parts: Any) -> dict[str, str]:
    with pytest.raises(DefinitionError) as caught:
        parse_document(document(**parts))
    return {problem.path: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8 GB", 8_000_000_000),
        ("8GiB", 8 << 30),
        ("512 MB", 512_000_000),
        ("1.5 g", 1_500_000_000),
        ("100 bytes", 100),
        ("2048", 2048),
        ("1 TiB", 1 << 40),
        ("lots", None),
        ("8 iB", None),
        ("-1 GB", None),
        ("", None),
        ("1 PB", None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    assert bytes_of(text) == size


def test_what_is_given_is_kept_in_bytes_and_seconds() -> None:
    definition = parse_document(
        document(
            resources={"memory": "8 GB", "open_files": 1024, "outputs": "2 GB"},
            retries={"on_failure": 1, "when_cut_off": "Ride_Out"},
            limits={"stop_grace": "1 m"},
        )
    )
    assert definition.resources.memory == 8_000_000_000
    assert definition.limits.stop_grace == 60
    dumped = definition.dump()
    assert dumped["resources"] == {
        **{"gpus": 0, "memory": 8_000_000_000},
        **{"open_files": 1024, "outputs": 2_000_000_000},
    }
    assert dumped["retries"] == {
        **{"max_attempts": 2, "on_failure": 1, "when_cut_off": "ride_out"}
    }
    assert parse_document(dumped).dump() == dumped


def test_what_is_left_out_stays_out() -> None:
    dumped = parse_document(document()).dump()
    assert dumped["resources"] == {"gpus": 0}
    assert dumped["retries"] == {"max_attempts": 2}
    assert "stop_grace" not in dumped["limits"]


def test_wrong_ones_are_named_with_what_is_allowed() -> None:
    found = problems(
        resources={"memory": "8 apples", "open_files": 3, "outputs": 0},
        retries={"on_failure": 99, "when_cut_off": "never"},
        limits={"stop_grace": 601},
    )
    assert found["resources.memory"] == (
        "memory must be a size of at least 16,777,216 bytes, such as 512 MB, 8 GiB or"
        ' a number of bytes, not "8 apples".'
    )
    assert "from 32 to 1,048,576, not 3" in found["resources.open_files"]
    assert "above 0" in found["resources.outputs"]
    assert "from 0 to 10, not 99" in found["retries.on_failure"]
    assert "stop or ride_out" in found["retries.when_cut_off"]
    assert found["limits.stop_grace"] == (
        "stop_grace must be from 1 to 600 seconds, such as 30 s or 2 m, not 601."
    )


@pytest.mark.parametrize("grace", [0, -1, "soon", True, [1], 1e400])
def test_a_grace_is_a_duration(grace: Any) -> None:
    assert set(problems(limits={"stop_grace": grace})) == {"limits.stop_grace"}
