"""Names of workers on one host."""

from __future__ import annotations

import socket
import tempfile
import threading
from pathlib import Path

import pytest
from django.conf import LazySettings

from experiments.workers import names


@pytest.fixture(autouse=True)
def _own_folder(
    tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    settings.SITE_URL = "http://names.example.org"


def test_a_second_worker_gets_another_name_at_once() -> None:
    first, second = names.free_names("default"), names.free_names("default")
    assert next(first).text == socket.gethostname()[:80]
    assert next(second).text.endswith("-2")


def test_a_successor_waits_for_the_name_of_one_that_is_ending() -> None:
    first = names.free_names("default")
    before = next(first)
    before.mark_end()
    end = threading.Timer(0.3, first.close)  # type: ignore[attr-defined]
    end.start()
    second = names.free_names("default")
    after = next(second)
    end.join()
    assert after == before
    # The new holder is not ending.
    third = names.free_names("default")
    assert next(third).text.endswith("-2")
