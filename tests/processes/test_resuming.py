"""A trial that was lost, crashed or paused continues from its own outputs."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest

from tests.processes.running_site import RunningSite, running_site, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]
ONE = {"max_total_trials": 1, "max_concurrent_trials": 1}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    home = tmp_path_factory.mktemp("resuming") / "home"
    with running_site(home, slots=1) as site:
        yield site


def begun_at(site: RunningSite, trial: int) -> int:
    """The epoch at which the trial's last attempt began."""
    found = re.search(r"begins at epoch (\d+)", site.log(trial))
    assert found, "the script said nothing"
    return int(found[1])


def test_a_killed_runner_costs_what_was_not_shipped_yet(site: RunningSite) -> None:
    sweep = site.submit(command="python train_resumes.py 150 0.05 0", limits=ONE)
    wait_for(lambda: bool(site.trials(sweep)), "a trial", site.said)
    trial = site.trials(sweep)[0]["id"]

    def shipped() -> bool:
        files = site.api("GET", f"/trials/{trial}/artifacts")["items"]
        return [file["path"] for file in files] == ["state.json"]

    wait_for(shipped, "the state to be shipped", lambda: site.story(sweep))
    os.kill(site.pids("trial-runner")[0], signal.SIGKILL)
    site.wait_for_end(sweep)
    assert site.trials(sweep)[0]["state"] == "completed", site.story(sweep)
    assert begun_at(site, trial) > 10
    log = site.log(trial)
    assert "the outputs of attempt 1 are in" in log
    assert not site.training()


def test_a_crash_is_tried_again_from_its_outputs(site: RunningSite) -> None:
    sweep = site.submit(
        command="python train_resumes.py 8 0.02 5",
        limits=ONE,
        retries={"on_failure": 1},
    )
    assert site.wait_for_end(sweep)["state"] == "completed", site.story(sweep)
    (trial,) = site.trials(sweep)
    # The reports of the first attempt count on: five of its own, three of the second.
    assert (trial["state"], trial["reports"]) == ("completed", 8)
    assert begun_at(site, trial["id"]) == 5
