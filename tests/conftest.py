"""What all tests share."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.template import Context, Template
from hypothesis import HealthCheck, settings
from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff

from experiments import queues
from experiments.management import embedded_valkey
from tests import parallel
from tests.processes.running_site import wait_for

# Playwright's synchronous calls run inside an event loop, which Django takes for ours.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

# Hundreds of processes start, and each would compile this code again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Training scripts write down what they saw in a test's folder.
os.environ.setdefault("SWEEPSITE_TRIAL_WRITE", tempfile.gettempdir())

# Without a database: what is found is written down as a test. No test hangs on the
# machine's speed.
settings.register_profile(
    "sweepsite",
    deadline=None,
    database=None,
    max_examples=40,
    suppress_health_check=[
        HealthCheck.too_slow,
        # The contract suites are run by one subclass for each sampler and policy.
        HealthCheck.differing_executors,
    ],
)
settings.load_profile("sweepsite")


@receiver(connection_created)
def read_past_writers(connection: Any, **_: Any) -> None:
    """In one process, a live server's threads share a database in memory, where no
    connection waits for the locks of another: so at least none locks to read."""
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        connection.connection.execute("PRAGMA read_uncommitted = 1")


def pytest_configure(config: pytest.Config) -> None:
    parallel.begin_apart(config)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return parallel.how_many(config)


def pytest_xdist_setupnodes() -> None:
    parallel.part_homes()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> parallel.Lanes:
    return parallel.Lanes(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove what trials of homes with long paths leave: every later trial on this
    machine may write the folder for temporary files, and opens each entry of it."""
    if not hasattr(session.config, "workerinput"):
        for folder in Path(tempfile.gettempdir()).glob("sweepsite-trials-*"):
            with contextlib.suppress(OSError):
                folder.rmdir()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    parallel.lanes_first(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    parallel.step_back(item)


@pytest.fixture(scope="session", autouse=True)
def contexts_of_whole_pages(django_test_environment: None) -> Iterator[None]:
    """``response.context`` is that of the page alone: a page has hundreds of parts, and
    to keep a copy for each would be a tenth of its time."""
    keeping = Template._render

    def render(self: Template, context: Context) -> str:
        if context.template is self:
            return keeping(self, context)
        return self.nodelist.render(context)

    with patch.object(Template, "_render", render):
        yield


@pytest.fixture(scope="session", autouse=True)
def no_pauses_without_a_queue() -> Iterator[None]:
    """Most tests have no queue, and ask it once more at once."""
    with patch.object(ExponentialWithJitterBackoff, "compute", return_value=0):
        yield


@pytest.fixture(scope="module")
def queue_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server; it ends with the module."""
    queue = embedded_valkey.EmbeddedQueue(tmp_path_factory.mktemp("queue"))
    queue.prepare()
    server = subprocess.Popen(queue.command(), stdout=subprocess.DEVNULL)
    wait_for(queue.answers, "the server", timeout=30)
    yield f"{queue.url}?db=0"
    server.terminate()
    server.wait()
    queue.remove_socket()


@pytest.fixture
def redis(queue_url: str, settings: Any) -> Iterator[Redis]:
    """An empty queue, which the site uses."""
    settings.REDIS_URL = queue_url
    queues.shared_connection.cache_clear()
    connection = Redis.from_url(queue_url)
    connection.flushall()
    yield connection
    queues.shared_connection.cache_clear()


@pytest.fixture
def no_queue(settings: Any) -> Iterator[None]:
    """A queue that does not answer."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    queues.shared_connection.cache_clear()
    yield
    queues.shared_connection.cache_clear()
