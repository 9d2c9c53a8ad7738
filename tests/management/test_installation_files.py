"""The files of a team's installation: units, settings, the queue's configuration."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from redis import Redis
from redis.exceptions import NoPermissionError

from experiments import queues
from experiments.management import embedded_valkey
from experiments.queues.workers import slot_worker
from tests.processes.running_site import ROOT, free_port, wait_for

FILES = ROOT / "docs" / "installation"
UNITS = sorted(FILES.glob("*.service"))
PYTHON = "/opt/sweepsite/.venv/bin/python"


def settings_of(name: str) -> dict[str, str]:
    lines = (FILES / name).read_text().splitlines()
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {key: value for key, _, value in pairs}


@pytest.mark.parametrize("name", ("sweepsite.env", "worker.env"))
def test_every_setting_is_a_documented_one(name: str) -> None:
    page = (ROOT / "docs/settings.md").read_text()
    known = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    given = settings_of(name)
    assert given and set(given) <= known


def test_a_worker_gets_what_it_needs_and_no_database() -> None:
    from experiments.management.commands.worker import NEEDED

    given = settings_of("worker.env")
    assert set(NEEDED) <= set(given)
    assert "DATABASE_URL" not in given


def commands() -> list[tuple[str, list[str]]]:
    """Every way of starting something: (where it stands, words after the Python)."""
    found = []
    for unit in UNITS:
        line = re.search(r"^ExecStart=(.+)$", unit.read_text(), re.MULTILINE)
        assert line is not None
        python, *words = shlex.split(line[1])
        assert python == PYTHON
        found.append((unit.name, words))
    page = (ROOT / "docs" / "installation.md").read_text()
    for words in re.findall(r"manage\.py ([a-z][^'`\n]*)", page):
        found.append(("installation.md", ["manage.py", *shlex.split(words)]))
    compose = yaml.safe_load((FILES / "compose.yaml").read_text())["services"]
    words = [service.get("command", []) for service in compose.values()]
    found += [("compose.yaml", each) for each in words if each[:1] == ["manage.py"]]
    for words in containers().values():
        found.append(("kubernetes-worker.yaml", words))
    script = (FILES / "slurm-worker.sh").read_text()
    for line in re.findall(r"python (manage\.py .*) \"\$@\" &$", script, re.MULTILINE):
        found.append(("slurm-worker.sh", shlex.split(line)))
    return found


def containers() -> dict[str, list[str]]:
    """The arguments of the workers in Kubernetes, by the kind of their object."""
    text = (FILES / "kubernetes-worker.yaml").read_text()
    return {
        item["kind"]: item["spec"]["template"]["spec"]["containers"][0]["args"]
        for item in yaml.safe_load_all(text)
    }


def test_each_file_for_a_cluster_starts_workers() -> None:
    places = [place for place, words in commands() if "worker" in words]
    for name in ("compose.yaml", "kubernetes-worker.yaml", "slurm-worker.sh"):
        assert name in places
    burst = containers()["Job"]
    assert "--burst" in burst and "--time-limit" in burst
    assert "--burst" not in containers()["Deployment"]


def test_the_settings_of_compose_are_known_and_none_is_missing() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    known = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    text = (FILES / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    own = [s["environment"] for s in services.values() if s["image"] == "sweepsite"]
    assert {name for settings in own for name in settings} <= known
    worker = services["worker"]["environment"]
    assert "DATABASE_URL" not in worker and "volumes" not in services["worker"]
    must = set(re.findall(r"(?<!\$)\$\{(\w+):\?", text))
    assert must == set(settings_of("compose.env")) - {"WORKER_SLOTS"}


@pytest.mark.parametrize(("place", "words"), commands(), ids=str)
def test_every_command_exists_and_takes_its_options(
    place: str, words: list[str]
) -> None:
    if words[0] != "manage.py":
        assert words[:4] == ["-m", "gunicorn", "-c", "sweepsite/web_server.py"]
        check_gunicorn(words[2:])
        return
    name, *options = (re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word) for word in words[1:])
    command = load_command_class(get_commands()[name], name)
    command.create_parser("manage.py", name).parse_args(options)


def check_gunicorn(options: list[str]) -> None:
    from gunicorn.config import Config

    Config().parser().parse_args(options)


def service_of(unit: Path) -> dict[str, str]:
    """The settings of a unit's section about the process itself."""
    text = unit.read_text().partition("[Service]\n")[2].partition("\n[")[0]
    pairs = (line.partition("=") for line in text.splitlines() if line[:1] != "#")
    return {key: value for key, _, value in pairs if key}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_no_other_user_can_read_what_a_service_keeps(unit: Path) -> None:
    service = service_of(unit)
    assert service["StateDirectory"].startswith("sweepsite")
    assert (service["StateDirectoryMode"], service["UMask"]) == ("0700", "0077")


def test_a_worker_may_make_the_control_groups_that_the_docs_tell_of() -> None:
    page = (ROOT / "docs" / "administration.md").read_text()
    named = dict(re.findall(r"`(Delegate\w*)=(\w+)`", page))
    service = service_of(FILES / "sweepsite-worker.service")
    assert named == {"Delegate": "yes", "DelegateSubgroup": "worker"}
    assert {key: service.get(key) for key in named} == named


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here"
)
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    """With a program and a folder that are on this machine too."""
    for unit in UNITS:
        text = unit.read_text().replace(PYTHON, "/usr/bin/env")
        text = text.replace("/opt/sweepsite", str(tmp_path))
        (tmp_path / unit.name).write_text(text)
    units = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True
    )
    told = [line for line in done.stderr.splitlines() if "sweepsite" in line]
    assert (done.returncode, told) == (0, [])


@pytest.fixture
def guarded_queue(tmp_path: Path) -> Iterator[int]:
    """A server with the documented configuration; its port."""
    port = free_port()
    text = (FILES / "valkey.conf").read_text().replace("port 6379", f"port {port}")
    (tmp_path / "valkey.conf").write_text(f"{text}\ndir {tmp_path}\n")
    server = subprocess.Popen(
        [embedded_valkey.find_binary(), str(tmp_path / "valkey.conf")],
        stdout=subprocess.DEVNULL,
    )
    url = f"redis://sweepsite:PASSWORD@127.0.0.1:{port}/0"
    wait_for(lambda: embedded_valkey.is_up(url), "the server", timeout=30)
    yield port
    server.terminate()
    server.wait()


@pytest.mark.django_db
def test_the_queues_users_may_do_what_they_must_and_no_more(
    guarded_queue: int, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    address = f"127.0.0.1:{guarded_queue}/0"
    settings.REDIS_URL = f"redis://sweepsite:PASSWORD@{address}"
    queues.shared_connection.cache_clear()
    try:
        assert queues.notify(7, "default")
        with django_capture_on_commit_callbacks(execute=True):
            queues.wake_scheduler()
        assert queues.wait_for_wake(queues.connect(retries=0), seconds=1)
        settings.REDIS_URL = f"redis://worker:PASSWORD@{address}"
        worker = slot_worker("default", name=f"slot-{time.time()}", worker=1)
        assert worker.dequeue_job_and_maintain_ttl(timeout=None) is not None
        stranger = Redis.from_url(settings.REDIS_URL)
        for words in (["FLUSHALL"], ["CONFIG", "GET", "*"], ["GET", "elsewhere"]):
            with pytest.raises(NoPermissionError):
                stranger.execute_command(*words)
    finally:
        queues.shared_connection.cache_clear()


def test_source_control_data_is_out_of_reach() -> None:
    """Neither the service's user nor an image has it."""
    assert "chmod go= .git" in (ROOT / "docs/installation.md").read_text()
    assert ".git" in (ROOT / ".containerignore").read_text().split()
