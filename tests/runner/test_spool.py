"""The spool: points that the training process left for the runner to send."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from experiments.runner import spool
from experiments.runner.errors import SiteAway
from experiments.runner.site import Site
from experiments.runner.spool import SpoolSender, SpoolWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.jsonl"


@pytest.fixture
def sender(path: Path, site: Any) -> SpoolSender:
    return SpoolSender(path, Site(site.url, attempt="41", token="run_secret"))


def lines(first: int, count: int) -> str:
    points = ({"name": "loss", "step": first + i, "value": 0.5} for i in range(count))
    return "".join(json.dumps(point) + "\n" for point in points)


def send_all(sender: SpoolSender) -> None:
    while sender.send_next():
        pass


def test_the_runner_s_own_points_wait_where_the_script_made_a_link(
    path: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    writer = SpoolWriter(path)
    for make in (path.symlink_to, path.hardlink_to, lambda _: os.mkfifo(path)):
        make(elsewhere)
        writer.add([{"name": "a", "step": 0, "value": 1}])
        assert elsewhere.read_text() == "mine"
        path.unlink()
    assert writer.lost == 3
    writer.add([{"name": "a", "step": 0, "value": 1}])
    assert (writer.lost, len(path.read_text().splitlines())) == (0, 4)


def test_no_spool_is_nothing_to_send(sender: SpoolSender, site: Any) -> None:
    send_all(sender)
    assert site.requests == []


def test_a_long_spool_is_sent_in_order_and_in_batches(
    path: Path, sender: SpoolSender, site: Any
) -> None:
    path.write_text(lines(0, 1200))
    send_all(sender)
    assert [point["step"] for point in site.arrivals] == list(range(1200))
    assert len(site.requests) == 3
    assert [file.name for file in path.parent.iterdir()] == ["spool.jsonl.lock"]


def test_what_clients_had_begun_to_send_is_sent_first(
    path: Path, sender: SpoolSender, site: Any
) -> None:
    path.write_text(lines(10, 10))
    path.with_name("spool.jsonl.77.sending").write_text(lines(0, 10))
    send_all(sender)
    assert [point["step"] for point in site.arrivals] == list(range(20))


def test_a_batch_that_failed_is_sent_again(
    path: Path, sender: SpoolSender, site: Any
) -> None:
    path.write_text(lines(0, 10))
    site.statuses["metrics"] = 503
    with pytest.raises(SiteAway):
        send_all(sender)
    site.statuses.clear()
    send_all(sender)
    assert len(site.arrivals) == 10


def test_an_incomplete_or_foreign_line_is_left_out_and_counted(
    path: Path, sender: SpoolSender, site: Any
) -> None:
    foreign = ["[]", '{"name": 1}', '{"name": "a", "step": 1, "value": "x"}', "\xff"]
    foreign.append("[" * 5_000)
    torn = '{"name": "loss", "st'
    path.write_text(lines(0, 2) + "\n".join(foreign) + "\n\n" + lines(2, 1) + torn)
    send_all(sender)
    assert [point["step"] for point in site.arrivals] == [0, 1, 2]
    assert sender.dropped == 6


def test_a_line_of_enormous_length_does_not_fill_memory(
    path: Path, sender: SpoolSender, site: Any
) -> None:
    path.write_text("x" * 5_000_000 + "\n" + lines(0, 1))
    send_all(sender)
    assert [point["step"] for point in site.arrivals] == [0]


def test_nan_literals_become_the_names_the_site_knows(
    path: Path, sender: SpoolSender, site: Any
) -> None:
    path.write_text('{"name": "a", "step": 0, "value": NaN, "extra": 1}\n')
    send_all(sender)
    assert site.arrivals == [{"name": "a", "step": 0, "value": "NaN"}]


def test_a_batch_with_refused_points_is_delivered_with_one_request(
    path: Path, sender: SpoolSender, site: Any
) -> None:
    bad = '{"name": "odd", "step": 0, "value": 1}\n'
    path.write_text(lines(0, 100) + bad + lines(100, 100))
    site.refused_names = {"odd"}
    send_all(sender)
    assert sorted(point["step"] for point in site.arrivals) == list(range(200))
    assert (sender.dropped, sender.refused) == (0, {"odd": "odd"})
    assert len(site.requests) == 1 and not path.exists()


def test_a_batch_that_is_refused_whole_is_counted(
    path: Path, sender: SpoolSender, site: Any
) -> None:
    path.write_text(lines(0, 700))
    site.statuses["metrics"] = 422
    send_all(sender)
    assert sender.dropped == 700


def test_while_training_runs_only_a_forgotten_spool_is_sent(
    path: Path, sender: SpoolSender, site: Any
) -> None:
    path.write_text(lines(0, 5))
    sender.send_forgotten()
    assert site.arrivals == []
    then = time.time() - spool.QUIET_SECONDS - 1
    os.utime(path, (then, then))
    sender.send_forgotten()
    assert len(site.arrivals) == 5
    assert not path.exists()


def test_a_lock_that_somebody_keeps_holds_nothing_up(
    path: Path, sender: SpoolSender, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a fork of a killed process: heartbeats continue, and the end does not
    wait for it."""
    monkeypatch.setattr(spool, "MAX_LOCK_SECONDS", 0.05)
    path.write_text(lines(0, 5))
    os.utime(path, (0, 0))
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sender.send_forgotten()
        assert site.arrivals == []
        send_all(sender)
        assert len(site.arrivals) == 5


def test_a_stop_in_the_answer_is_remembered(
    path: Path, sender: SpoolSender, site: Any
) -> None:
    path.write_text(lines(0, 1))
    site.reply_stop = "worse than the median"
    send_all(sender)
    assert sender.stop is not None
    assert sender.stop.message == "worse than the median"
