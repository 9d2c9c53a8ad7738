"""Experiments: whose they are, and how they are found."""

from __future__ import annotations

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


def test_experiments_of_several_teams(site: Mlflow) -> None:
    """Ada writes in Astronomy and Physics, and only reads in Algebra."""
    factories.team("Astronomy", ada="member")
    algebra = factories.team("Algebra", ada="viewer")
    factories.experiment(algebra, "stars")
    factories.experiment(factories.team("Physics"), "stars")
    assert Experiment.objects.get(pk=site.experiment("new")).team.name == "Astronomy"
    run = site.run(experiment_id="0")
    info = site.ok("GET", f"runs/get?run_id={run}")["run"]["info"]
    default = Experiment.objects.get(pk=info["experiment_id"])
    assert (default.name, default.team.name) == ("Default", "Astronomy")

    def team_of(name: str) -> str:
        path = f"experiments/get-by-name?experiment_name={name}"
        found = site.ok("GET", path)["experiment"]["experiment_id"]
        return Experiment.objects.get(pk=found).team.name

    assert team_of("stars") == "Physics"
    assert team_of("Algebra/stars") == team_of("algebra/stars") == "Algebra"
    assert site.get("experiments/get-by-name?experiment_name=Music/stars").json()[
        "error_code"
    ] == ("RESOURCE_DOES_NOT_EXIST")
