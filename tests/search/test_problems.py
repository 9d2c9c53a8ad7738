from __future__ import annotations

import pytest

from experiments.search.fields import (
    DefinitionError,
    Diagnostics,
    Problem,
    join,
    listed,
    nearest,
    shown,
    unknown_name,
)


def test_an_error_carries_every_problem_and_sorts_them_by_field() -> None:
    diagnostics = Diagnostics()
    diagnostics.error("limits.timeout", "one")
    diagnostics.error("", "two")
    diagnostics.error("limits.timeout", "three")
    with pytest.raises(DefinitionError) as caught:
        diagnostics.raise_if_any()
    assert str(caught.value) == "limits.timeout: one\ntwo\nlimits.timeout: three"
    assert caught.value.by_path() == {"limits.timeout": ["one", "three"], "": ["two"]}
    assert caught.value.problems[0] == Problem("limits.timeout", "one")


def test_warnings_alone_are_no_error() -> None:
    diagnostics = Diagnostics()
    diagnostics.warn("x", "odd")
    diagnostics.raise_if_any()
    assert diagnostics.warnings == [Problem("x", "odd")]


def test_paths_are_joined_by_dots() -> None:
    assert join("", "limits") == "limits"
    assert join("search_space.x.values", 2) == "search_space.x.values.2"


def test_a_shown_value_is_json_and_short() -> None:
    assert shown("é") == '"é"'
    assert shown(True) == "true"
    assert len(shown(list(range(1000)))) == 60


def test_a_shown_value_may_be_a_knot() -> None:
    knot: list[object] = []
    knot.append(knot)
    assert shown(knot) == "a list"


def test_a_shown_value_can_always_be_sent() -> None:
    assert shown("\ud800").encode() == b'"\\ud800"'


def test_names_are_listed_as_in_a_sentence() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"], last="or") == "a, b or c"


def test_the_nearest_known_name_is_suggested() -> None:
    known = ["objective", "limits", "compute"]
    assert nearest("objectve", known) == "objective"
    assert nearest("Limit", known) == "limits"
    assert nearest("zzz", known) is None
    assert "did you mean compute?" in unknown_name("comput", known)
    assert unknown_name("zzz", known).endswith("objective, limits and compute.")


def test_a_huge_unknown_name_is_answered_quickly() -> None:
    assert len(unknown_name("x" * 10**6, ["objective"])) < 200
