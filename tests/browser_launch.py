"""Chromium for browser tests and for the documentation's pictures."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from playwright.sync_api import Browser, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_chromium() -> str | None:
    """CHROMIUM, or the first browser of its family on PATH."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def required_chromium() -> str:
    """For a test: without a browser it is skipped, and fails under CI."""
    path = find_chromium()
    if path is not None:
        return path
    if os.environ.get("CI"):
        pytest.fail("Chromium is not installed; CI needs it")
    pytest.skip("Chromium is not on PATH; set CHROMIUM to its path")


@contextlib.contextmanager
def chromium(path: str) -> Iterator[Browser]:
    own = connections.all(initialized_only=True) if settings.configured else []
    with sync_playwright() as playwright:
        # Inside the event loop Django would open others: in one process they lock out
        # a live server's on SQLite, and on PostgreSQL they are never closed.
        for connection in own:
            connections[connection.alias] = connection
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def log_in(page: Page, url: str, *, user: str, password: str) -> None:
    page.goto(f"{url}/login/")
    page.fill("[name=username]", user)
    page.fill("[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/")


def complaints(page: Page) -> list[str]:
    """A list that fills with whatever the page's console complains about."""
    found: list[str] = []

    def note(message: Any) -> None:
        if message.type in {"error", "warning"}:
            found.append(f"{message.text} ({message.location.get('url')})")

    page.on("console", note)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found
