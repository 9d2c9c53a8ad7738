"""Sweeps that cannot work, with real workers: few trials are spent on them.

Slow: ``python -m pytest -m slow tests/processes/test_breakers.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.processes.running_site import (
    RunningSite,
    running_site,
    sweep_document,
    wait_for,
)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    home = tmp_path_factory.mktemp("breakers") / "home"
    with running_site(home, slots=8) as site:
        yield site


def wide(total: int = 500) -> dict[str, Any]:
    return {"max_total_trials": total, "max_concurrent_trials": 64}


@pytest.mark.parametrize(
    "command, said",
    [
        ("nosuch --x ${{search_space.x}}", "was not found"),
        ("python train_raises_at_import.py", "Likely cause"),
        ("python train.py --x ${{search_space.x}}", "can't open file"),
    ],
)
def test_what_never_works_costs_a_handful(
    site: RunningSite, command: str, said: str
) -> None:
    sweep = site.submit(command=command, limits=wide())
    ended = site.wait_for_end(sweep)
    assert ended["state"] == "failed"
    assert ended["reason"] == "first_trials_failed"
    assert said in ended["message"]
    assert sum(trial["attempts"] for trial in site.trials(sweep)) <= 10
    failures = site.api("GET", f"/sweeps/{sweep}/failures")
    assert len(failures["items"]) == 1
    assert failures["items"][0]["advice"]


def test_a_healthy_wide_sweep_is_not_slowed_down(site: RunningSite) -> None:
    command = "python train_curve.py --pause 0.3 --reports 12"
    sweep = site.submit(command=command, limits=wide(8))

    def all_run() -> bool:
        return site.sweep(sweep)["counts"]["running"] == 8

    wait_for(all_run, "all 8 slots to be taken", lambda: site.story(sweep))
    assert site.wait_for_end(sweep)["state"] == "completed"


def tried_first(site: RunningSite, command: str, *, hold: bool = False) -> int:
    """The id of a sweep whose first configuration has proven itself, or has not."""
    document = {"command": command, "limits": {**wide(6), "max_concurrent_trials": 4}}
    sweep = draft(site, **document)
    flag = str(hold).lower()
    site.api("POST", f"/sweeps/{sweep}/preflight?hold={flag}")

    def over() -> bool:
        return bool(site.api("GET", f"/sweeps/{sweep}/preflight")["state"] != "running")

    wait_for(over, "the pre-flight to end", lambda: site.story(sweep))
    return sweep


def draft(site: RunningSite, **changes: Any) -> int:
    number: int = site.api("POST", "/sweeps", sweep_document(**changes))["id"]
    return number


def test_what_works_continues_and_keeps_its_first_trial(site: RunningSite) -> None:
    sweep = tried_first(site, "python train_curve.py --pause 0.2 --reports 8")
    assert site.wait_for_end(sweep)["state"] == "completed"
    trials = site.trials(sweep)
    assert [(t["number"], t["state"], t["attempts"]) for t in trials] == [
        (number, "completed", 1) for number in range(6)
    ]
    assert trials[0]["reports"] == 8


def test_a_wrong_name_is_found_with_one_trial(site: RunningSite) -> None:
    sweep = tried_first(site, "python train_wrong_name.py")
    found = site.api("GET", f"/sweeps/{sweep}/preflight")
    assert (found["state"], found["problem"]) == ("failed", "no_metric")
    assert found["similar_names"]
    assert len(site.trials(sweep)) == 1
    assert site.sweep(sweep)["state"] == "paused"


def test_held_it_waits_and_then_all_start(site: RunningSite) -> None:
    sweep = tried_first(
        site, "python train_curve.py --pause 0.2 --reports 4", hold=True
    )
    assert site.sweep(sweep)["reason"] == "preflight"
    assert len(site.trials(sweep)) == 1
    site.api("POST", f"/sweeps/{sweep}/resume")
    assert site.wait_for_end(sweep)["state"] == "completed"
    assert len(site.trials(sweep)) == 6
