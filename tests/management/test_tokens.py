"""token, worker-token and secret-key: secrets that are printed once, and replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core import signing
from django.core.exceptions import ImproperlyConfigured

from experiments.models import ApiToken, Event, WorkerToken
from experiments.tokens import token_digest
from sweepsite.data_folder import secret_keys
from tests import factories
from tests.management.conftest import Run


def test_a_token_is_printed_and_only_its_hash_kept(run: Run) -> None:
    factories.user("ada")
    ran = run("token", "create", "--user", "ada", "--name", "laptop")
    secret = ran.out.strip()
    assert ran.code == 0 and secret.startswith("swp_")
    token = ApiToken.objects.get()
    assert token.digest == token_digest(secret)
    assert (token.name, token.scope, token.user.username) == ("laptop", "write", "ada")
    assert "not shown again" in ran.err and secret not in ran.err


@pytest.mark.parametrize("scope", ["read", "write", "admin"])
def test_a_token_has_a_scope(run: Run, scope: str) -> None:
    factories.user("ada")
    run("token", "create", "--user", "ada", "--scope", scope)
    assert ApiToken.objects.get().scope == scope


def test_a_token_ends_and_may_be_for_one_team(run: Run) -> None:
    team = factories.team("Physics", ada="member")
    options = ("--team", "physics", "--days", "7")
    ran = run("token", "create", "--user", "ada", *options)
    token = ApiToken.objects.get()
    assert token.team == team and token.expires_at is not None
    end = f"{token.expires_at:%Y-%m-%d}"
    assert f"valid until {end}" in ran.err and f"ends {end}" in run("token", "list").out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--days", "366"), "a token lasts from 1 to 365 days"),
        (("--team", "chemistry"), "is not in team Chemistry"),
    ],
)
def test_a_token_that_may_not_be_is_a_sentence(
    run: Run, options: tuple[str, ...], words: str
) -> None:
    factories.team("Physics", ada="member")
    factories.team("Chemistry")
    ran = run("token", "create", "--user", "ada", *options)
    assert ran.code == 1 and words in ran.err
    assert not ApiToken.objects.exists()


def test_an_unknown_scope_is_refused_with_those_there_are(run: Run) -> None:
    factories.user("ada")
    ran = run("token", "create", "--user", "ada", "--scope", "root")
    assert ran.code == 1 and "admin" in ran.err
    assert not ApiToken.objects.exists()


def test_an_unknown_user_is_refused_with_those_there_are(run: Run) -> None:
    factories.user("ada")
    ran = run("token", "create", "--user", "bob")
    assert ran.code == 1 and ran.err == "There is no user 'bob'. Users: ada."


def test_a_worker_token_is_for_one_pool(run: Run) -> None:
    pool = factories.pool(factories.team())
    ran = run("worker-token", "create", "--pool", "default")
    secret = ran.out.strip()
    assert secret.startswith("wrk_")
    token = WorkerToken.objects.get()
    assert token.pool == pool and token.digest == token_digest(secret)


def test_an_unknown_pool_is_refused_with_those_there_are(run: Run) -> None:
    factories.pool(factories.team())
    ran = run("worker-token", "create", "--pool", "gpu")
    assert ran.code == 1 and "Pools: default" in ran.err


@pytest.mark.parametrize("command", ["token", "worker-token"])
def test_a_second_token_works_beside_the_first_until_that_is_revoked(
    run: Run, command: str
) -> None:
    factories.user("ada")
    factories.pool(factories.team())
    owner = ("--user", "ada") if command == "token" else ("--pool", "default")
    model = ApiToken if command == "token" else WorkerToken
    for _ in range(2):
        run(command, "create", *owner)
    old, new = model.objects.order_by("pk")
    listed = run(command, "list").out.splitlines()
    assert [line.split()[0] for line in listed] == [str(old.pk), str(new.pk)]
    assert "never used" in listed[0]
    assert run(command, "revoke", str(old.pk)).code == 0
    assert [t.pk for t in model.objects.filter(revoked_at=None)] == [new.pk]
    again = run(command, "revoke", str(old.pk))
    assert again.err == f"No valid token has the number {old.pk}."
    assert Event.objects.filter(verb="token revoked").count() == 1
    assert Event.objects.filter(verb__endswith=" created").count() == 2


def test_a_new_secret_key_keeps_old_signatures_until_these_are_forgotten(
    run: Run, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWEEPSITE_SECRET_KEY")
    settings.HOME.mkdir()
    settings.SECRET_KEY, *_ = secret_keys(settings.HOME)
    signed = signing.dumps("ada")
    assert "12 hours" in run("secret-key", "rotate").out
    keys = secret_keys(settings.HOME)
    assert len(keys) == 2 and keys[1] == settings.SECRET_KEY
    settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS = keys
    assert signing.loads(signed) == "ada"
    run("secret-key", "forget")
    assert secret_keys(settings.HOME) == keys[:1]
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(signing.BadSignature):
        signing.loads(signed)
    assert (settings.HOME / "secret_key").stat().st_mode & 0o077 == 0


def test_a_secret_key_from_the_environment_is_replaced_there(run: Run) -> None:
    ran = run("secret-key", "rotate")
    assert ran.code == 1 and "SWEEPSITE_SECRET_KEY_FALLBACKS" in ran.err


@pytest.mark.parametrize("content", ["", "\n", "short", "x" * 49])
def test_a_damaged_secret_key_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.delenv("SWEEPSITE_SECRET_KEY")
    (tmp_path / "secret_key").write_text(content)
    with pytest.raises(ImproperlyConfigured, match="secret_key is damaged"):
        secret_keys(tmp_path)


def test_a_key_that_is_open_or_new_in_a_used_folder_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SWEEPSITE_SECRET_KEY")
    secret_keys(tmp_path)
    assert capsys.readouterr().err == ""
    path = tmp_path / "secret_key"
    path.chmod(0o644)
    secret_keys(tmp_path)
    assert "other users could read" in capsys.readouterr().err
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    (tmp_path / "static").mkdir()
    secret_keys(tmp_path)
    assert "everyone must log in again" in capsys.readouterr().err
