"""Requests in the documentation get answers: routes exist, and take these fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client

from experiments.api import rate_limits
from experiments.models import Trial
from tests import factories
from tests.docs.blocks import blocks
from tests.docs.test_shell import commands

pytestmark = pytest.mark.django_db
# The state of the object may speak against it.
ANSWERED = (*range(200, 300), 409)


@dataclass(frozen=True)
class Request:
    place: str
    method: str
    url: str
    body: str

    def __str__(self) -> str:
        return f"{self.place} {self.method} {self.url}"


def requests() -> Iterator[Request]:
    for block in blocks("sh"):
        for words in commands(block.code):
            if words[0] == "curl":
                yield read_request(str(block), words[1:])


def read_request(place: str, words: list[str]) -> Request:
    pairs = list(zip(words, [*words[1:], ""], strict=True))
    url = next(w for w in words if "/api/" in w or w.endswith("/healthz"))
    body = "".join(value for word, value in pairs if word == "-d")
    sent = [value.partition("=") for word, value in pairs if word == "--data-urlencode"]
    query = [*parse_qsl(urlsplit(url).query), *((name, text) for name, _, text in sent)]
    method = dict(pairs).get("-X", "POST" if body else "GET")
    path = urlsplit(url.replace("$SITE", "http://site")).path
    return Request(place, method, f"{path}?{urlencode(query)}", body)


@pytest.mark.parametrize("request_", list(requests()), ids=str)
def test_a_request_is_answered(
    request_: Request, settings: Any, tmp_path: Path
) -> None:
    settings.HOME = tmp_path
    rate_limits.requests.clear()
    space = dict.fromkeys(("lr", "learning_rate"), "loguniform(-9, -1)")
    document = factories.definition_document(
        search_space=space, trial={"command": "python train.py"}
    )
    sweep = factories.sweep(
        factories.team(root="admin"), document=document, preflight={"state": "passed"}
    )
    trial = factories.trial(sweep, state="completed", value=0.5)
    token = factories.api_token(factories.user("root"), "admin")
    url = re.sub(r"/sweeps/\d+", f"/sweeps/{sweep.pk}", request_.url)
    answer = Client(headers={"Authorization": f"Bearer {token}"}).generic(
        request_.method, url, body_for(request_, trial), "application/json"
    )
    # Without a queue.
    broken = (503,) if url.startswith("/healthz") else ()
    said = b"" if answer.streaming else answer.content
    assert answer.status_code in (*ANSWERED, *broken), said


def body_for(request: Request, trial: Trial) -> str:
    """With a trial that exists: some routes take numbers, others ids."""
    body = json.loads(request.body or "{}")
    if "trials" in body:
        body["trials"] = [trial.number if "/again" in request.url else trial.pk]
    return json.dumps(body) if request.body else ""
