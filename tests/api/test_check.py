"""POST /sweeps/check: what a document would try, without storing anything."""

from __future__ import annotations

from experiments.models import Sweep
from tests import factories
from tests.api.conftest import Api


def test_a_valid_document_is_shown_in_canonical_form(api: Api) -> None:
    document = factories.definition_document(search_space={"x": "uniform(0, 1)"})
    answer = api.post("/sweeps/check", document)
    assert answer.status_code == 200
    checked = answer.json()
    assert checked["valid"] and checked["problems"] == []
    assert checked["document"]["search_space"]["x"]["type"] == "uniform"
    assert checked["combinations"] is None
    assert not Sweep.objects.exists()


def test_the_preview_draws_from_the_space(api: Api) -> None:
    space = {
        "x": {"type": "uniform", "min_value": 2, "max_value": 3},
        "batch": {"type": "choice", "values": [16, 32]},
    }
    document = factories.definition_document(search_space=space)
    preview = api.post("/sweeps/check", document).json()["preview"]
    assert len(preview["configurations"]) == 10
    assert all(2 <= params["x"] <= 3 for params in preview["configurations"])
    assert sum(preview["parameters"]["batch"]["counts"]) > 0
    assert preview["parameters"]["batch"]["labels"] == ["16", "32"]


def test_parameters_inside_a_choice_are_pictured_and_conditions_told(api: Api) -> None:
    space = {
        "net": {
            "type": "choice",
            "values": [
                {"units": {"type": "int", "low": 1, "high": 4}},
                {"kind": "none"},
            ],
        },
        "m": {
            "type": "uniform",
            "min_value": 0,
            "max_value": 1,
            "when": {"net.kind": "none"},
        },
    }
    document = factories.definition_document(
        search_space=space, trial={"command": "true"}
    )
    checked = api.post("/sweeps/check", document).json()
    assert checked["combinations"] is None
    assert checked["combinations_words"] == "infinitely many"
    pictures = checked["preview"]["parameters"]
    assert list(pictures) == ["net", "net.units", "m"]
    units = pictures["net.units"]
    assert units["labels"] == ["1", "2", "3", "4"]
    assert sum(units["counts"]) == units["drawn"] and 0.4 < units["share"] < 0.6
    assert pictures["m"]["share"] + units["share"] == 1
    assert len(checked["preview"]["configurations"]) == 10


def test_too_many_to_count_is_not_called_infinite(api: Api) -> None:
    document = factories.definition_document(
        search_space={f"x{n}": "randint(1000)" for n in range(4)},
        constraints=["x0 / (x1 + 1) <= x2 / (x3 + 1)"],
        trial={"command": "true"},
    )
    checked = api.post("/sweeps/check", document).json()
    assert checked["combinations"] is None
    assert checked["combinations_words"] == "about 500,000,000,000"
    schema = api.get("/openapi.json").json()["components"]["schemas"]["CheckOut"]
    told = schema["properties"]["combinations"]["description"]
    assert "infinitely many or too many to count" in told


def test_a_finite_space_has_a_number_of_combinations(api: Api) -> None:
    space = {
        "x": {"type": "choice", "values": [1, 2, 3]},
        "y": {"type": "choice", "values": [1, 2]},
    }
    document = factories.definition_document(
        search_space=space, sampling_algorithm={"type": "grid"}
    )
    checked = api.post("/sweeps/check", document).json()
    assert checked["combinations"] == 6
    assert len(checked["preview"]["configurations"]) == 6


def test_an_invalid_document_is_answered_with_its_problems(api: Api) -> None:
    answer = api.post("/sweeps/check", {"trial": {"command": "true"}, "nonsense": 1})
    assert answer.status_code == 200
    checked = answer.json()
    assert not checked["valid"] and checked["document"] is None
    paths = {problem["path"] for problem in checked["problems"]}
    assert {"search_space", "objective", "nonsense"} <= paths


def test_warnings_are_told(api: Api) -> None:
    document = factories.definition_document(queue_settings={"job_tier": "spot"})
    warnings = api.post("/sweeps/check", document).json()["warnings"]
    assert [warning["path"] for warning in warnings] == ["queue_settings"]


def test_extreme_laws_answer_in_json(api: Api) -> None:
    space = {"x": {"type": "lognormal", "mu": 0, "sigma": 1000}}
    document = factories.definition_document(search_space=space)
    answer = api.post("/sweeps/check", document)
    assert answer.status_code == 200
    assert b": Infinity" not in answer.content and b"NaN" not in answer.content


def test_a_slack_factor_is_checked_against_values_of_earlier_trials(api: Api) -> None:
    policy = {"type": "bandit", "slack_factor": 0.1}
    document = factories.definition_document(early_termination=policy)
    assert api.post("/sweeps/check", document).json()["warnings"] == []
    sweep = factories.sweep(factories.team(), document=document)
    for value in (0.00001, -0.4, -0.9):
        factories.trial(sweep, state="completed", value=value)
    warnings = api.post("/sweeps/check", document).json()["warnings"]
    assert [warning["path"] for warning in warnings] == [
        "early_termination.slack_factor"
    ]
    assert "slack_amount" in warnings[0]["message"]
