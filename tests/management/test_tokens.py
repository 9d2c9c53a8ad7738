"""token create and worker-token create: secrets that are printed once."""

from __future__ import annotations

import pytest

from experiments.models import ApiToken, WorkerToken
from experiments.tokens import token_digest
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
