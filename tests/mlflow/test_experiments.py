"""Experiments: whose they are, and how they are found."""

from __future__ import annotations

import pytest

from experiments.models import Experiment
from tests import factories
from tests.mlflow.conftest import Mlflow


def names(site: Mlflow, **fields: object) -> list[str]:
    found = site.ok("POST", "experiments/search", fields).get("experiments", [])
    return [each["name"] for each in found]


def test_search(site: Mlflow) -> None:
    assert names(site) == ["Default"]
    for name, tags in (("a", "value"), ("ab", "vaLue"), ("Abc", "")):
        body = {"name": name, "tags": [{"key": "key", "value": tags}]}
        site.ok("POST", "experiments/create", body)
    assert names(site) == ["Abc", "ab", "a", "Default"]
    assert names(site, filter="attribute.name != 'a'") == ["Abc", "ab", "Default"]
    assert names(site, filter="name LIKE 'a%'") == ["ab", "a"]
    assert names(site, filter="tag.key = 'value'") == ["a"]
    assert names(site, filter="tags.key ILIKE '%ALU%'") == ["ab", "a"]
    assert names(site, order_by=["name DESC"]) == ["ab", "a", "Default", "Abc"]
    first = site.ok("POST", "experiments/search", {"max_results": 3})
    assert names(site, page_token=first["next_page_token"]) == ["Default"]
    deleted = str(Experiment.objects.get(name="ab").pk)
    site.ok("POST", "experiments/delete", {"experiment_id": deleted})
    assert names(site) == ["Abc", "a", "Default"]
    assert names(site, view_type="DELETED_ONLY") == ["ab"]
    assert names(site, view_type="ALL") == ["Abc", "ab", "a", "Default"]
    refused = site.post("runs/create", {"experiment_id": deleted})
    assert "must be in the 'active' state" in refused.json()["message"]


def test_names_that_are_written_alike_are_different_experiments(site: Mlflow) -> None:
    ids = {site.experiment(name) for name in ("My Exp", "my-exp", "my exp", "ä", "ö")}
    assert len(ids) == 5
    for name in ("My Exp", "my-exp", "my exp"):
        found = site.ok("GET", f"experiments/get-by-name?experiment_name={name}")
        assert found["experiment"]["name"] == name


def team_of_id(experiment_id: str) -> str:
    return Experiment.objects.get(pk=experiment_id).team.name


def test_a_new_team_changes_nothing_for_scripts(site: Mlflow) -> None:
    """Ada is in Physics; then she makes the team Alpha."""
    first = site.experiment("newcomer")
    default = site.run(experiment_id="0")
    factories.team("Alpha", ada="admin")
    found = site.ok("GET", "experiments/get-by-name?experiment_name=newcomer")
    assert found["experiment"]["experiment_id"] == first
    refused = site.post("experiments/create", {"name": "newcomer"})
    assert refused.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert team_of_id(site.experiment("second")) == "Physics"
    experiments = {
        site.ok("GET", f"runs/get?run_id={run}")["run"]["info"]["experiment_id"]
        for run in (default, site.run(experiment_id="0"))
    }
    assert len(experiments) == 1


def test_a_team_in_front_of_the_name_is_where_it_is_made(site: Mlflow) -> None:
    factories.team("Alpha", ada="admin", otto="member")
    factories.team("Algebra", ada="viewer")
    factories.team("Music", otto="member")
    for name, team in (("alpha/a", "Alpha"), ("Physics/a", "Physics")):
        made = Experiment.objects.get(pk=site.experiment(name))
        assert (made.name, made.team.name) == ("a", team)
        found = site.ok("GET", f"experiments/get-by-name?experiment_name={name}")
        assert found["experiment"]["experiment_id"] == str(made.pk)
    refused = site.post("experiments/create", {"name": "algebra/a"})
    assert refused.json()["error_code"] == "PERMISSION_DENIED"
    for name in ("music/a", "vision/cats", "alpha/"):
        made = Experiment.objects.get(pk=site.experiment(name))
        assert (made.name, made.team.name) == (name, "Physics")


@pytest.mark.parametrize("name", [" ", " \u2003"])
def test_a_name_is_more_than_spaces(site: Mlflow, name: str) -> None:
    refused = site.post("experiments/create", {"name": name})
    assert refused.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_names_may_be_as_long_as_in_mlflow(site: Mlflow) -> None:
    made = site.experiment("x" * 500)
    assert len(Experiment.objects.get(pk=made).name) == 500
    refused = site.post("experiments/create", {"name": "x" * 501})
    assert "maximum length of 500" in refused.json()["message"]


def test_experiments_of_several_teams(site: Mlflow) -> None:
    """Ada writes in Astronomy and Physics, and only reads in Algebra."""
    factories.team("Astronomy", ada="member")
    algebra = factories.team("Algebra", ada="viewer")
    factories.experiment(algebra, "stars")
    factories.experiment(factories.team("Physics"), "stars")
    assert Experiment.objects.get(pk=site.experiment("new")).team.name == "Physics"
    run = site.run(experiment_id="0")
    info = site.ok("GET", f"runs/get?run_id={run}")["run"]["info"]
    default = Experiment.objects.get(pk=info["experiment_id"])
    assert (default.name, default.team.name) == ("Default", "Physics")

    def team_of(name: str) -> str:
        path = f"experiments/get-by-name?experiment_name={name}"
        found = site.ok("GET", path)["experiment"]["experiment_id"]
        return team_of_id(found)

    assert team_of("stars") == "Physics"
    assert team_of("Algebra/stars") == team_of("algebra/stars") == "Algebra"
    assert site.get("experiments/get-by-name?experiment_name=Music/stars").json()[
        "error_code"
    ] == ("RESOURCE_DOES_NOT_EXIST")


def test_files_are_stored_by_the_site_wherever_a_client_wants_them(
    site: Mlflow,
) -> None:
    body = {"name": "digits", "artifact_location": "s3://bucket/mine"}
    made = site.ok("POST", "experiments/create", body)["experiment_id"]
    found = site.ok("GET", f"experiments/get?experiment_id={made}")["experiment"]
    assert found["artifact_location"] == f"mlflow-artifacts:/{made}"
