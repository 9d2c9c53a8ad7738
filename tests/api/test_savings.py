"""GET /savings: what early termination saved, of the caller's own teams."""

from __future__ import annotations

import pytest

from experiments.models import Pool, Sweep, Team
from tests import factories
from tests.api.conftest import Api


def saving_sweep(team: Team, seconds: float) -> Sweep:
    sweep = factories.sweep(team)
    factories.trial(sweep, state="completed", value=0.5, elapsed=seconds, reports=9)
    factories.trial(sweep, state="terminated", value=0.1, elapsed=10.0, reports=4)
    return sweep


def test_a_line_names_its_sweep_and_what_it_saved(api: Api, team: Team) -> None:
    sweep = saving_sweep(team, 3610.0)
    Pool.objects.update(price_per_hour=2)
    answer = api.get("/savings")
    assert answer.status_code == 200
    (line,) = answer.json()["items"]
    ended = sweep.trials.get(state="terminated").ended_at
    assert ended is not None
    saved = {
        "trials": 1,
        "reports": 5.0,
        "seconds": 3600.0,
        "gpu_seconds": 0.0,
        "money": pytest.approx(2.0),
    }
    assert line == {
        **saved,
        "month": f"{ended:%Y-%m}",
        "team": "physics",
        "experiment": "digits",
        "sweep": sweep.pk,
        "name": sweep.label,
    }
    assert answer.json()["total"] == saved
    assert answer.json()["next"] is None


def test_it_is_narrowed_by_team_experiment_sweep_and_month(
    api: Api, team: Team
) -> None:
    sweep = saving_sweep(team, 20.0)
    saving_sweep(team, 40.0)
    for query, seconds in (
        ("", 40.0),
        ("?team=physics", 40.0),
        ("?team=chemistry", 0.0),
        ("?experiment=digits", 40.0),
        (f"?experiment={sweep.experiment_id}", 40.0),
        ("?experiment=letters", 0.0),
        (f"?experiment={'9' * 5_000}", 0.0),
        (f"?sweep={sweep.pk}", 10.0),
        ("?month=2001-01", 0.0),
    ):
        total = api.get(f"/savings{query}").json()["total"]
        assert total["seconds"] == seconds, query


def test_other_teams_savings_are_not_shown(api: Api) -> None:
    saving_sweep(factories.team("Chemistry"), 20.0)
    assert api.get("/savings").json()["items"] == []


@pytest.mark.parametrize("query", ["month=2026-13", "month=November", "sweep=-1"])
def test_a_bad_filter_is_refused(api: Api, query: str) -> None:
    assert api.get(f"/savings?{query}").status_code == 422
