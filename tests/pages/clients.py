"""Logged-in browsers of tests, and what they read on pages."""

from __future__ import annotations

import json
import re
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from experiments.models import Sweep
from tests import factories


def client_of(name: str, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(factories.user(name))
    return client


def page(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def count_queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        page(client, url)
    return len(queries)


def text_of(response: Any) -> str:
    return str(response.content.decode())


def sweep_page(sweep: Sweep, path: str = "", *, user: str = "ada") -> str:
    return page(client_of(user), f"/sweeps/{sweep.pk}/{path}")


def model(html: str, name: str) -> dict[str, Any]:
    """The JSON of a chart on a page."""
    found = re.search(rf'id="{name}"[^>]*>(.*?)</script>', html, re.DOTALL)
    assert found is not None
    loaded: dict[str, Any] = json.loads(found[1])
    return loaded
