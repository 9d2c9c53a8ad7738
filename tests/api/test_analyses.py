"""Suggestions and the data of the charts, over HTTP."""

from __future__ import annotations

from experiments.models import Trial
from tests import factories
from tests.api.conftest import Api
from tests.sweeps.test_advice import made_sweep


def reader(name: str) -> Api:
    factories.team(**{name: "viewer"})
    return Api(factories.api_token(factories.user(name)))


def test_what_a_person_dismisses_is_not_suggested_to_them_again() -> None:
    path = f"/sweeps/{made_sweep(120).pk}/advice"
    eve, max_ = reader("eve"), reader("max")
    found = eve.get(path).json()["advice"]
    assert found[0]["key"] == "widen:hidden"
    assert found[0]["bounds"] == "hidden:[16, 32, 64, 128, 256, 512]"
    body = {"keys": ["widen:hidden", "nonsense"]}
    assert eve.post(f"{path}/dismiss", body).status_code == 204
    assert eve.get(path).json()["advice"] == found[1:]
    assert max_.get(path).json()["advice"] == found
    assert eve.post(f"{path}/dismiss", {"keys": []}).status_code == 422


def test_charts_have_the_numbers_that_pages_draw() -> None:
    made = made_sweep(30)
    charts = f"/sweeps/{made.pk}/charts"
    eve = reader("eve")
    surface = eve.get(f"{charts}/surface?x=hidden&y=lr").json()
    assert (surface["x"]["name"], surface["y"]["name"]) == ("hidden", "lr")
    assert len(surface["cells"]) == surface["rows"] * surface["columns"]
    spread = eve.get(f"{charts}/distribution").json()
    assert (spread["trials"], spread["points"][-1][1]) == (30, 1)
    for without in ("pareto", "timeline"):
        found = eve.get(f"{charts}/{without}").json()
        assert not found["ready"] and found["sentence"]
    assert eve.get(f"{charts}/nonsense").status_code == 422


def test_a_chart_without_values_says_what_it_needs() -> None:
    made = made_sweep(3)
    Trial.objects.filter(sweep=made).update(value=None)
    for chart in ("pareto", "distribution", "surface", "ends", "timeline"):
        found = reader("eve").get(f"/sweeps/{made.pk}/charts/{chart}").json()
        assert not found["ready"] and found["sentence"].endswith(".")


def test_a_chart_of_something_else_is_refused() -> None:
    charts = f"/sweeps/{made_sweep(30).pk}/charts"
    eve = reader("eve")
    for query, field, allowed in (
        ("surface?x=nonsense", "x", "hidden"),
        ("surface?metric=loss.min", "metric", "It has none"),
        ("timeline?metric=loss.min", "metric", "does not use metric"),
        ("pareto?x=lr", "x", "does not use x"),
    ):
        answer = eve.get(f"{charts}/{query}")
        assert answer.status_code == 422, query
        assert allowed in answer.json()["error"]["fields"][field][0]
