"""How much of a space its constraints keep, and how often a parameter is set."""

from __future__ import annotations

import pytest

from experiments.search.space.shares import percent, share_words, space_shares
from experiments.search.space.space import SearchSpace

NET = {"hidden": "choice(16, 32, 64, 128, 256)", "batch": "choice(16, 32, 64, 128)"}


def words(constraint: str, space: dict[str, object] | None = None) -> str:
    found = SearchSpace.parse(space or NET, constraints=[constraint])
    return space_shares(found).each[constraint].words


def test_what_is_kept_and_what_is_out() -> None:
    assert words("hidden * batch <= 16384").startswith("keeps 9")
    assert words("hidden * batch <= 16384").endswith(
        "out: 256 \N{MULTIPLICATION SIGN} 128"
    )
    assert words("hidden <= 256") == "keeps 100 % of draws"
    assert words("hidden < 200").endswith("% of draws; out: 256")


def test_many_that_are_out_are_counted() -> None:
    text = words("a + b < 1", {"a": "uniform(0, 1)", "b": "uniform(0, 1)"})
    assert text.startswith(("keeps 49 %", "keeps 50 %", "keeps 51 %"))
    assert " others" in text and text.count("\N{MULTIPLICATION SIGN}") == 2


def test_a_constraint_on_what_is_not_active_is_met() -> None:
    space = {
        "optimizer": 'choice("sgd", "adam")',
        "momentum": {
            "type": "uniform",
            "min_value": 0,
            "max_value": 1,
            "when": {"optimizer": "sgd"},
        },
    }
    found = SearchSpace.parse(space, constraints=["momentum < 0.5"])
    shares = space_shares(found)
    assert shares.each["momentum < 0.5"].kept == pytest.approx(0.75, abs=0.04)
    assert shares.active["optimizer"] == 1
    assert share_words(space_shares(SearchSpace.parse(space)).active["momentum"]) == (
        "Half of the draws"
    )


def test_too_little_is_a_problem_that_names_the_strictest() -> None:
    rules = ["a < 0.2", "b < 0.1"]
    space = {"a": "uniform(0, 1)", "b": "uniform(0, 1)"}
    problem = space_shares(SearchSpace.parse(space, constraints=rules)).problem
    assert problem.startswith("Together they keep 2")
    assert "The strictest is b < 0.1, which alone keeps" in problem
    alone = SearchSpace.parse(space, constraints=["a < 0.02"])
    assert space_shares(alone).problem.startswith("The constraint keeps 2")
    wide = SearchSpace.parse(space, constraints=["a < 0.5"])
    assert space_shares(wide).problem == ""
    assert space_shares(SearchSpace.parse(space)).problem == ""


def test_values_inside_a_nested_choice_are_listed() -> None:
    space = {"net": 'choice({"layers": randint(5)}, {"kind": "tree"})'}
    assert words("net.layers < 4", space).endswith("% of draws; out: 4")


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (0.004, "0.4 %"), (0.95, "95 %"), (0.998, "99.8 %")],
)
def test_a_share_is_not_rounded_to_all_or_nothing(share: float, text: str) -> None:
    assert percent(share) == text
