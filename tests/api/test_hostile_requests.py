"""Hostile requests of every role to every route: no answer is a 500."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.running_site import RunningSite, running_site, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(900)]
SECONDS = 60
# Rows that exist: made up numbers would all be 404.
CONFIG = """
[parameters]
"path.sweep_id" = 1
"path.trial_id" = 2
"path.attempt_id" = {attempt}
"path.run_id" = {run}
"""
MAKE_TOKENS = """
import json
from experiments import lifecycle
from experiments.api.native import api as native
from experiments.api.worker import api
from experiments.models import *
from experiments.tokens import new_token
secrets = {}
team = Team.objects.get(slug="default")
for role in Membership.Role.values:
    person = User.objects.create_user(f"the-{role}")
    Membership.objects.create(team=team, user=person, role=role)
    token = new_token("swp")
    ApiToken.objects.create(
        user=person, scope="admin", prefix=token.prefix, digest=token.digest)
    secrets[role] = token.secret
secrets["worker"] = WorkerToken.issue(Pool.objects.get()).secret
attempt = Attempt.objects.filter(trial=2).latest("n")
for role, kind in (("trial", "trl"), ("runner", "run")):
    token = new_token(kind)
    secrets[role] = token.secret
    field = {f"{role}_token_digest": token.digest}
    Attempt.objects.filter(pk=attempt.pk).update(**field)
# One for each role, as some delete it.
experiment = attempt.trial.experiment
runs = [lifecycle.start_run(experiment, name=name) for name in "abcdefghi"]
secrets["run"] = runs[-1].token.secret
print(json.dumps({"secrets": secrets, "attempt": attempt.pk,
    "runs": [each.attempt.trial_id for each in runs],
    "people": native.get_openapi_schema(path_prefix="/api/v1/"),
    "workers": api.get_openapi_schema(path_prefix="/api/worker/v1/")}))
"""
# The API's description that each role's requests follow.
ROLES = {
    **dict.fromkeys(("anonymous", "viewer", "member", "admin", "trial"), "people"),
    **{"administrator": "people", "worker": "workers", "runner": "workers"},
    "run": "people",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    with running_site(
        tmp_path_factory.mktemp("hostile") / "home", "--demo", slots=1
    ) as running:
        yield running


@pytest.fixture(scope="module")
def made(site: RunningSite) -> dict[str, Any]:
    """Everyone's token, and the descriptions of both APIs."""
    wait_for(lambda: len(site.trials(1)) > 1, "a second trial", site.said)
    found: dict[str, Any] = json.loads(
        site.manage("shell", "--no-imports", "-c", MAKE_TOKENS)
    )
    found["secrets"] |= {"anonymous": "", "administrator": site.token}
    return found


@pytest.mark.parametrize("role", ROLES)
def test_no_request_of_the_role_ends_in_an_error_of_the_server(
    site: RunningSite, made: dict[str, Any], role: str, tmp_path: Path
) -> None:
    description = tmp_path / "openapi.json"
    description.write_text(json.dumps(made[ROLES[role]]))
    config = tmp_path / "schemathesis.toml"
    run = made["runs"][[*ROLES].index(role)]
    config.write_text(CONFIG.format(attempt=made["attempt"], run=run))
    done = subprocess.run(
        [
            *(program(), "--config-file", str(config), "run", str(description)),
            *("--url", site.url),
            *("-H", f"Authorization: Bearer {made['secrets'][role]}"),
            *("-c", "not_a_server_error", "--phases", "coverage,fuzzing"),
            *("--continue-on-failure", "--max-time", str(SECONDS)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    print(done.stdout[-6000:], done.stderr[-2000:])
    assert done.returncode == 0
    assert site_errors(site) == ""
    assert role == "anonymous" or not is_refused_everywhere(done.stdout)


def is_refused_everywhere(said: str) -> bool:
    """Whether the requests found nothing: then they have tested nothing."""
    found = re.search(r"Operations: +(\d+) selected", said)
    assert found is not None, said
    without = re.findall(
        r"(\d+) operations (?:repeatedly )?returned (?:only )?40", said
    )
    return found[1] in without


def program() -> str:
    """On PATH, from an environment of its own: in ours it would slow every test."""
    found = shutil.which("schemathesis")
    assert found, "pip install schemathesis into another environment, on PATH"
    return found


def site_errors(site: RunningSite) -> str:
    log = (site.home / "logs" / "web.log").read_text()
    return "\n".join(x for x in log.splitlines() if "Internal Server Error" in x)
