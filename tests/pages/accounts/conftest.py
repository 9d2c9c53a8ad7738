"""A server for the e-mail of a test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.pages.accounts.mail_server import MailServer


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with MailServer() as server:
        settings.SMTP_URL = server.url
        yield server
