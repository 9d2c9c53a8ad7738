"""Reporting while the site is away: nothing lost, nothing doubled, nothing slow."""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def in_order(site: Any) -> list[int]:
    return [point["step"] for point in site.arrivals]


def try_again_now(sweep: Any) -> None:
    sweep._reports.current()._reporter._back_off.retry_at = 0.0


def test_a_report_without_a_site_is_kept_on_disk(
    sweep: Any, site: Any, spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.go_away()
    for step in range(3):
        assert sweep.log(step=step, loss=float("nan")) is False
    kept = [json.loads(line) for line in spool.read_text().splitlines()]
    assert [point["step"] for point in kept] == [0, 1, 2]
    assert {point["value"] for point in kept} == {"NaN"}
    assert {*kept[0]} == {"name", "step", "value", "time"}
    assert capsys.readouterr().err.count("the site is away, reports are kept") == 1


def test_what_was_kept_is_sent_before_the_new(
    sweep: Any, site: Any, spool: Path
) -> None:
    site.go_away()
    sweep.log(step=0, loss=1)
    # A try meanwhile would put a batch's end elsewhere.
    sweep._reports.current()._reporter._back_off.retry_at = math.inf
    for step in range(1, 1200):
        sweep.log(step=step, loss=1)
    site.come_back()
    try_again_now(sweep)
    sweep.log(step=1200, loss=1)
    assert in_order(site) == list(range(1201))
    assert len(site.requests) == 4
    names = sorted(path.name for path in spool.parent.iterdir())
    assert names == ["spool.jsonl.client", "spool.jsonl.lock"]


def test_an_outage_while_the_kept_are_sent_loses_and_doubles_nothing(
    sweep: Any, site: Any
) -> None:
    site.go_away()
    for step in range(700):
        sweep.log(step=step, loss=1)
    site.come_back()
    site.statuses["trial-metrics"] = 503
    try_again_now(sweep)
    sweep.log(step=700, loss=1)
    site.statuses.clear()
    try_again_now(sweep)
    sweep.log(step=701, loss=1)
    assert in_order(site) == list(range(702))


def test_a_lost_reply_may_double_the_sending_but_not_the_point(
    sweep: Any, site: Any
) -> None:
    site.lose_replies = {"trial-metrics"}
    sweep.log(step=0, loss=1)
    try_again_now(sweep)
    sweep.log(step=1, loss=1)
    assert in_order(site) == [0, 0, 1]


def test_a_batch_keeps_its_key_when_it_is_sent_again(sweep: Any, site: Any) -> None:
    site.statuses["trial-metrics"] = 503
    sweep.log(step=0, loss=1)
    site.statuses.clear()
    site.lose_replies = {"trial-metrics"}
    for step in range(1, 3):
        try_again_now(sweep)
        sweep.log(step=step, loss=1)
    first, again, *others = site.batches
    assert first == again and 0 < len(first) <= 64
    assert len({first, *others}) == len(others) + 1 == 3


def test_a_proxy_s_page_counts_as_an_outage(sweep: Any, site: Any, spool: Path) -> None:
    site.page = b"<html>404</html>"
    assert sweep.log(step=0, loss=1) is False
    assert spool.exists()


@pytest.mark.parametrize("status", [500, 503, 429, 302])
def test_errors_of_the_site_count_as_outages(
    sweep: Any, site: Any, spool: Path, status: int
) -> None:
    site.statuses["trial-metrics"] = status
    assert sweep.log(step=0, loss=1) is False
    assert spool.exists()


def test_a_dead_site_costs_next_to_nothing(sweep: Any, site: Any) -> None:
    site.go_away()
    started = time.monotonic()
    for step in range(1000):
        sweep.log(step=step, loss=1)
    # Half a second each, if there were a pause before every try.
    assert time.monotonic() - started < 60


def test_a_site_that_never_answers_costs_little_on_average(
    sweep: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep._connection, "ANSWER_TIMEOUT", 0.4)
    site.hang = True
    started = time.monotonic()
    for step in range(100):
        sweep.log(step=step, loss=1)
    # 40 seconds, if every report waited for its answer.
    assert 0.4 <= time.monotonic() - started < 20


def test_a_site_that_hung_for_a_moment_is_asked_again_within_half_a_minute(
    sweep: Any, site: Any
) -> None:
    sweep.log(step=0, loss=1)
    back_off = sweep._reports.current()._reporter._back_off
    back_off.start(cost=5.0, least=0.0)
    assert 29 < back_off.retry_at - time.monotonic() <= 30


def test_the_pauses_between_tries_grow(sweep: Any, site: Any) -> None:
    site.statuses["trial-metrics"] = 503
    waits = []
    for step in range(9):
        before = time.monotonic()
        sweep.log(step=step, loss=1)
        waits.append(sweep._reports.current()._reporter._back_off.retry_at - before)
        try_again_now(sweep)
    assert waits[0] > 0.4
    assert waits[-1] > 25
    assert len(site.requests) == 9


def test_processes_of_one_trial_share_the_spool(
    sweep: Any, site: Any, spool: Path
) -> None:
    site.go_away()
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            for step in range(50):
                sweep.log(step=step, **{f"loss{number}": 1})
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    site.come_back()
    sweep.log(step=0, main=1)
    # A process that ended while it held some has left them to the runner.
    left = [file.read_text() for file in spool.parent.glob("*.sending")]
    assert len(site.points) == len(site.arrivals)
    assert len(site.arrivals) + "".join(left).count("\n") == 201


def test_an_incomplete_line_after_a_crash_does_no_harm(
    sweep: Any, site: Any, spool: Path
) -> None:
    good = {"name": "loss", "step": 0, "value": 1.0}
    spool.write_text(json.dumps(good) + "\n" + '{"name": "lo')
    sweep.log(step=1, loss=1)
    assert in_order(site) == [0, 1]


def test_what_a_process_of_the_same_number_left_is_not_overwritten(
    sweep: Any, site: Any, spool: Path
) -> None:
    old = {"name": "loss", "step": 0, "value": 1.0}
    left = spool.with_name(f"spool.jsonl.{os.getpid()}.sending")
    left.write_text(json.dumps(old) + "\n")
    spool.write_text(json.dumps({**old, "step": 1}) + "\n")
    sweep.log(step=2, loss=1)
    assert in_order(site) == [0, 1, 2]


def lost(spool: Path) -> int:
    """How many points the runner takes as lost, were the script to end now."""
    return spool.with_name("spool.jsonl.client").stat().st_size


def test_a_full_spool_takes_no_more_and_says_so(
    sweep: Any,
    site: Any,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sweep._spool, "MAX_SPOOL", 1000)
    monkeypatch.setattr(sweep._spool, "MAX_IN_MEMORY", 20)
    site.go_away()
    for step in range(100):
        assert sweep.log(step=step, loss=1) is False
    assert spool.stat().st_size < 1200
    assert capsys.readouterr().err.count("too many reports are waiting") == 1
    kept = len(spool.read_text().splitlines())
    assert lost(spool) == 100 - kept
    site.come_back()
    try_again_now(sweep)
    sweep.log(step=100, loss=1)
    assert in_order(site) == [*range(kept + 20), 100]
    assert lost(spool) == 100 - kept - 20


def test_a_spool_that_cannot_be_written_does_not_stop_training(
    sweep: Any,
    site: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SWEEPSITE_SPOOL", "/nowhere/at/all/spool.jsonl")
    site.go_away()
    assert sweep.log(step=0, loss=1) is False
    assert "wait in memory, not on disk" in capsys.readouterr().err
    site.come_back()
    try_again_now(sweep)
    sweep.log(step=1, loss=1)
    assert in_order(site) == [0, 1]


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Writes find room for so many bytes and no more, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("comes_first", ["room", "the site"])
def test_reports_that_find_no_room_on_the_disk_are_sent_all_the_same(
    sweep: Any,
    site: Any,
    spool: Path,
    capsys: pytest.CaptureFixture[str],
    comes_first: str,
) -> None:
    site.go_away()
    sweep.log(step=0, loss=1)
    with no_file_larger_than(spool.stat().st_size + 10):
        sweep.log(step=1, loss=1)
        sweep.log(step=2, loss=1)
        assert len(spool.read_text().splitlines()) == 1, "no half a line"
        assert lost(spool) == 2
    assert capsys.readouterr().err.count("in memory") == 1
    if comes_first == "room":
        sweep.log(step=3, loss=1)
        assert len(spool.read_text().splitlines()) == 4
    site.come_back()
    try_again_now(sweep)
    sweep.log(step=4, loss=1)
    assert lost(spool) == 0
    left_out = 3 if comes_first == "the site" else None
    assert in_order(site) == [step for step in range(5) if step != left_out]


def test_without_a_runner_reports_wait_in_memory(
    sweep: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWEEPSITE_SPOOL")
    monkeypatch.setattr(sweep._spool, "MAX_IN_MEMORY", 20)
    site.go_away()
    for step in range(30):
        sweep.log(step=step, loss=1)
    site.come_back()
    try_again_now(sweep)
    sweep.log(step=30, loss=1)
    assert in_order(site) == [*range(20), 30]
