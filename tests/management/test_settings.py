"""Settings come from the environment; a bad one stops the start in one line."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db.utils import ConnectionHandler

from experiments.management.commands.up import (
    check_transport,
    locked_folder,
    network_words,
)
from sweepsite.data_folder import home_folder, secret_keys
from sweepsite.environment import database, redis_url, site_url

ROOT = Path(__file__).resolve().parents[2]


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if "SWEEPSITE" not in k}
    for name in ("DATABASE_URL", "REDIS_URL"):
        environment.pop(name, None)
    environment["DJANGO_SETTINGS_MODULE"] = "sweepsite.settings"
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env={**environment, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SWEEPSITE_LEASE_SECONDS", "soon"),
        ("SWEEPSITE_LOG_MB", "-1"),
        ("SWEEPSITE_DEBUG", "perhaps"),
        ("SWEEPSITE_SECRET_KEY", "short"),
        ("SWEEPSITE_SECRET_KEY_FALLBACKS", "short"),
        ("SWEEPSITE_LOG_LEVEL", "foo"),
        ("SWEEPSITE_URL", "sweeps.example.org"),
        ("SWEEPSITE_URL", "http://[abc"),
        ("SWEEPSITE_URL", "http://"),
        ("SWEEPSITE_URL", "http://sweeps.example.org:abc"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("DATABASE_URL", "postgres://h:abc/db"),
        ("DATABASE_URL", "postgres://"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "unix:"),
        ("REDIS_URL", "unix://"),
        ("REDIS_URL", "redis://h:abc"),
        ("REDIS_URL", "redis://h?db=x"),
        ("SWEEPSITE_HOME", "/dev/null/x"),
    ],
)
def test_a_bad_value_is_named_in_one_line(
    name: str, value: str, tmp_path: Path
) -> None:
    done = manage("check", **{"SWEEPSITE_HOME": str(tmp_path), name: value})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert name in done.stderr
    if "SECRET_KEY" not in name:
        assert value in done.stderr


@pytest.mark.parametrize("secret", ["p", "p@ss", "12#4"])
def test_the_error_for_a_bad_url_has_no_password(secret: str, tmp_path: Path) -> None:
    url = f"postgres://ada:{secret}@h:abc/db"
    done = manage("check", SWEEPSITE_HOME=str(tmp_path), DATABASE_URL=url)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "DATABASE_URL is 'postgres://***@h:abc/db'" in done.stderr
    assert f":{secret}@" not in done.stderr


@pytest.mark.django_db
def test_sqlite_flushes_every_commit_before_it_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    connection = ConnectionHandler({"default": database(tmp_path)})["default"]
    with connection.cursor() as cursor:
        found = [
            cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]
    connection.close()
    assert found == ["wal", 2]  # 2 is FULL.


def test_the_secret_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    for _ in range(2):
        assert manage("diffsettings", SWEEPSITE_HOME=str(tmp_path)).returncode == 0
    key = tmp_path / "secret_key"
    assert len(key.read_text()) >= 50
    assert key.stat().st_mode & 0o077 == 0


def test_all_that_start_at_once_have_the_same_secret_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWEEPSITE_SECRET_KEY")
    starts = 4
    barrier = threading.Barrier(starts)

    def start(folder: Path) -> str:
        barrier.wait(10)
        return secret_keys(folder)[0]

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(starts) as pool:
            for number in range(30):
                folder = tmp_path / str(number)
                folder.mkdir()
                keys = set(pool.map(start, [folder] * starts))
                assert len(keys) == 1 and len(keys.pop()) >= 50
                assert [path.name for path in folder.iterdir()] == ["secret_key"]
    finally:
        sys.setswitchinterval(usual)


def test_a_worker_without_its_settings_says_which_are_missing(tmp_path: Path) -> None:
    done = manage("worker", SWEEPSITE_HOME=str(tmp_path))
    assert done.returncode == 1
    missing = "SWEEPSITE_URL, SWEEPSITE_WORKER_TOKEN, REDIS_URL"
    assert f"These must be set: {missing}." in done.stderr


def test_every_setting_is_documented() -> None:
    folders = (ROOT / "sweepsite", ROOT / "experiments")
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    text = "\n".join(path.read_text() for path in sources)
    read = r"(?:environ(?:\.get)?[\[(]|env_\w+\(\s*)\"(SWEEPSITE_\w+|[A-Z]+_URL)\""
    used = set(re.findall(read, text))
    used |= set(re.findall(r'"(SWEEPSITE_(?:LIMIT|PASS|PYTHON)\w*)"', text))
    # These pass between our own processes, or are what a trial finds.
    inner = {"SWEEPSITE_WORKER_ID", "SWEEPSITE_SLOT_NUMBER", "SWEEPSITE_SLOT"}
    inner |= {"SWEEPSITE_SPOOL"}
    trial = set(
        re.findall(r"SWEEPSITE_\w+", (ROOT / "docs/training-script.md").read_text())
    )
    names = ("docs/settings.md", "docs/accounts.md", "docs/administration.md")
    pages = [ROOT / name for name in names]
    told = set(re.findall(r"[A-Z]+_\w+", "\n".join(p.read_text() for p in pages)))
    assert len(used) > 15
    assert used - inner - trial - told == set()


@pytest.mark.parametrize(
    ("served", "given", "expected"),
    [
        ("http://127.0.0.1:8123\n", "", "http://127.0.0.1:8123"),
        ("http://127.0.0.1:8123", "https://own.example", "https://own.example"),
        ("", "", "http://127.0.0.1:8000"),
        (None, "", "http://127.0.0.1:8000"),
    ],
)
def test_the_address_is_that_of_an_up_on_the_data_folder(
    served: str | None,
    given: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SWEEPSITE_URL", given)
    with locked_folder(tmp_path):
        if served is not None:
            (tmp_path / "site_url").write_text(served)
        assert site_url(tmp_path) == expected


def test_addresses_of_a_killed_up_do_not_count_and_the_next_one_removes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SWEEPSITE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    with locked_folder(tmp_path):
        (tmp_path / "site_url").write_text("http://127.0.0.1:8123")
        (tmp_path / "redis_url").write_text("redis://127.0.0.1:6400/0")
        assert redis_url(tmp_path) == "redis://127.0.0.1:6400/0"
    usual = ("http://127.0.0.1:8000", "redis://127.0.0.1:6379/0")
    assert (site_url(tmp_path), redis_url(tmp_path)) == usual
    with locked_folder(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]
        assert (site_url(tmp_path), redis_url(tmp_path)) == usual


def test_an_up_waits_for_who_only_looks_and_yields_to_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "lock").open("a") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)

        def done(seconds: float) -> None:
            fcntl.flock(looking, fcntl.LOCK_UN)

        monkeypatch.setattr("experiments.management.commands.up.time.sleep", done)
        with locked_folder(tmp_path):
            words = rf"already runs on {tmp_path} \(process {os.getpid()}\)"
            with pytest.raises(CommandError, match=words), locked_folder(tmp_path):
                pytest.fail("two on one folder")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "sweeps"])
def test_up_serves_no_network_over_plain_http_unless_allowed(
    host: str,
) -> None:
    with pytest.raises(CommandError, match="--allow-http"):
        check_transport(host, "http://sweeps.example.org")
    check_transport(host, "https://sweeps.example.org")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_up_serves_this_machine_over_http(host: str) -> None:
    check_transport(host, "")


def test_up_says_how_other_machines_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWEEPSITE_URL", raising=False)
    local = "http://127.0.0.1:8731"
    assert network_words("127.0.0.1", 8731, local) == ""
    words = network_words("0.0.0.0", 8731, local)
    assert "SWEEPSITE_URL" in words and ":8731." in words
    assert "not encrypted" in words
    words = network_words("192.168.1.5", 8731, "http://192.168.1.5:8731")
    assert words == "Passwords and tokens are not encrypted on the network.\n"


def test_up_refuses_a_network_before_anything_starts(tmp_path: Path) -> None:
    done = manage("up", "--host", "0.0.0.0", SWEEPSITE_HOME=str(tmp_path))
    assert done.returncode == 1 and "unencrypted" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_an_open_data_folder_is_closed_and_it_says_so(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    done = manage("migrate", "-v0", SWEEPSITE_HOME=str(home))
    assert done.returncode == 0
    assert f"other users could enter {home} (mode 755)" in done.stderr
    files = [home, *home.rglob("*")]
    assert not [path for path in files if path.stat().st_mode & 0o077]
    assert manage("diffsettings", SWEEPSITE_HOME=str(home)).stderr == ""


def test_a_data_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPSITE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(ImproperlyConfigured, match="belongs to another user"):
        home_folder()


def test_up_behind_a_proxy_needs_the_setting_that_says_so(tmp_path: Path) -> None:
    url = "https://sweeps.example.org"
    done = manage("up", SWEEPSITE_HOME=str(tmp_path), SWEEPSITE_URL=url)
    assert done.returncode == 1 and "SWEEPSITE_BEHIND_PROXY=1" in done.stderr
