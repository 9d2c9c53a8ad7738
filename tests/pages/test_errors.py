"""While the database is away nobody sees a 500: it is a 503 that says when to ask."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError
from django.http import UnreadablePostError
from django.test import Client

from tests import factories

pytestmark = pytest.mark.django_db


def fails(problem: Exception) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise problem

    return call


@pytest.fixture
def client() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(factories.user("ada"))
    return client


def test_a_page_says_so_and_when_to_come_back(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SessionStore, "load", fails(OperationalError("gone")))
    answer = client.get("/experiments/")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "database does not answer" in answer.content.decode()


@pytest.mark.parametrize(
    "problem",
    [
        OperationalError("database or disk is full"),
        OperationalError("could not extend file: No space left on device"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_a_page_tells_that_the_disk_is_full(
    client: Client, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    monkeypatch.setattr(SessionStore, "load", fails(problem))
    answer = client.get("/experiments/")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "disk is full" in answer.content.decode()


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (OperationalError("gone"), 503, "database_away"),
        (OperationalError("database or disk is full"), 503, "disk_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 503, "disk_full"),
        (UnreadablePostError("timed out"), 408, "incomplete"),
        (OSError(errno.EACCES, "Permission denied"), 500, "server_error"),
        (ValueError("a mistake of ours"), 500, "server_error"),
    ],
)
def test_a_program_is_told_in_the_apis_own_shape(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    problem: Exception,
    status: int,
    code: str,
) -> None:
    monkeypatch.setattr("experiments.models.credentials.token_digest", fails(problem))
    headers = {"Authorization": "Bearer swp_x"}
    answer = client.get("/api/v1/sweeps", headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert ("Retry-After" in answer) == (status != 500)


def test_a_page_tells_that_what_was_sent_did_not_arrive_whole(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = UnreadablePostError(errno.EAGAIN, "Resource temporarily unavailable")
    monkeypatch.setattr(SessionStore, "load", fails(broken))
    answer = client.post("/experiments/")
    assert answer.status_code == 408
    assert "Only part of the request arrived" in answer.content.decode()


def test_an_address_that_is_not_the_sites_is_refused_before_anybody_is_known(
    client: Client, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["sweeps.example.org"]
    answer = client.get("/experiments/", headers={"Host": "other.example.org"})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "SWEEPSITE_ALLOWED_HOSTS" in page and "other.example.org" not in page
    answer = client.get("/api/v1/sweeps", headers={"Host": "other.example.org"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unknown_host"


def test_another_error_of_a_page_is_a_500(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SessionStore, "load", fails(ValueError("a mistake of ours")))
    answer = client.get("/experiments/")
    assert answer.status_code == 500
    assert "An error occurred on the server" in answer.content.decode()
