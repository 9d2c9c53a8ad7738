"""How the suite is spread over processes.

The whole suite waits often, so it runs in two processes more than there are processors.
What is named on the command line runs in this one, and so do the slow tests, which
measure; ``-n`` overrules both.
"""

from __future__ import annotations

import os
from functools import cache

import pytest
from xdist.scheduler import LoadFileScheduling

# Whatever starts whole installations keeps to two lanes of about the same length, which
# are taken first: no more than two of them are at work at once, and they do not come
# last.
LANES = {
    "tests/processes": "installations",
    "tests/processes/test_kills.py": "installations killed or seen from outside",
    "tests/browser": "installations killed or seen from outside",
    "tests/chaos": "installations",
}
MOST = 4


def how_many(config: pytest.Config) -> int:
    """Processes for ``-n auto``; 0: this one."""
    if not _is_whole(config) or "not slow" not in config.option.markexpr:
        return 0
    return min(MOST, (os.cpu_count() or 1) + 2)


def _is_whole(config: pytest.Config) -> bool:
    return [arg.rstrip("/") for arg in config.args] == config.getini("testpaths")


def begin_apart(config: pytest.Config) -> None:
    """Each process begins to collect in another folder. So it finds compiled what the
    others have collected before: to compile the tests is most of the work."""
    number = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if not number or not _is_whole(config):
        return
    root = config.rootpath
    places = sorted(
        str(path.relative_to(root))
        for folder in config.getini("testpaths")
        for path in (root / folder).iterdir()
        if path.is_dir() or path.match("test_*.py")
    )
    first = len(places) * int(number) // MOST
    config.args[:] = places[first:] + places[:first]


def part_homes() -> None:
    """The data folder of this process is not for those that it starts: each has a
    database of its own, so rows of one number mean different things in each."""
    os.environ.pop("SWEEPSITE_HOME", None)


def lane(file: str) -> str | None:
    return LANES.get(file, LANES.get(file.rpartition("/")[0]))


class Lanes(LoadFileScheduling):
    """A file is run by one process, a lane as well."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return lane(file) or file


def lanes_first(items: list[pytest.Item]) -> None:
    """All processes have the same order, wherever they have begun."""
    items.sort(key=lambda item: (lane(_file(item)) or "~", _file(item)))


def step_back(item: pytest.Item) -> None:
    """Installations have deadlines, so workers without one let them go first."""
    if "PYTEST_XDIST_WORKER" in os.environ and lane(_file(item)) is None:
        _step_back()


@cache
def _step_back() -> None:
    os.nice(5)


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
