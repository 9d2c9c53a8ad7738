"""Collected metrics on their way: one source for a name, steps, files, the site."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from tensorboardX import SummaryWriter

from experiments.runner.collectors import collecting
from experiments.runner.collectors.collecting import Collectors
from experiments.runner.collectors.settings import read_collectors
from experiments.runner.log_marks import Stream
from experiments.runner.spool import SpoolWriter


class Kept(SpoolWriter):
    """Keeps points in place of a spool's file."""

    def __init__(self) -> None:
        self.points: list[dict[str, Any]] = []

    def add(self, points: Any) -> None:
        self.points += points

    def values(self, name: str) -> list[tuple[int, Any]]:
        return [(p["step"], p["value"]) for p in self.points if p["name"] == name]


class Bench:
    """Collectors with everything that they touch."""

    def __init__(self, work: Path, collector: Any = None) -> None:
        self.work = work
        self.kept = Kept()
        self.reported: set[str] = set()
        self.notes: list[str] = []
        fields = {"primary_metric": "accuracy", "metrics_collector": collector}
        self.collectors = Collectors(
            read_collectors(fields),
            work=work,
            spool=self.kept,
            reported=self.reported,
            note=self.notes.append,
        )

    def prints(self, text: str) -> None:
        self.collectors.feed(text.encode())

    def end(self) -> Kept:
        self.collectors.finish()
        return self.kept


def test_without_settings_nothing_is_collected(tmp_path: Path) -> None:
    collectors = Collectors(
        None, work=tmp_path, spool=Kept(), note=lambda sentence: None
    )
    collectors.feed(b"accuracy=1\n")
    collectors.finish()
    assert collectors.names == set()
    assert math.isinf(collectors.next_time())


def test_printed_values_get_their_steps_in_order(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.prints("accuracy=0.1\nother=3\naccuracy=0.2\naccuracy=nan")
    points = bench.end()
    assert points.values("accuracy") == [(0, 0.1), (1, 0.2), (2, "NaN")]
    assert points.values("other") == []
    assert all(point["time"] > 1e9 for point in points.points)


def test_no_two_points_of_a_step_have_the_same_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.prints("2024-04-16T12:52:01Z step=1 accuracy=0.1\n" * 3)
    times = [point["time"] for point in bench.end().points]
    assert len(set(times)) == 3


def test_what_the_script_reports_itself_is_left_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.prints("accuracy=0.1\n")
    bench.reported.add("accuracy")
    bench.prints("accuracy=0.2\n")
    assert bench.end().points == []


def test_a_value_that_is_printed_and_logged_counts_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.prints("accuracy=0.1\n")
    bench.collectors.feed(b"INFO accuracy=0.1\n", Stream.ERR)
    assert bench.end().values("accuracy") == [(0, 0.1)]


def test_values_of_loggers_count(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.collectors.feed(b"INFO accuracy=0.1\n", Stream.ERR)
    assert bench.end().values("accuracy") == [(0, 0.1)]


def test_points_wait_a_moment_before_they_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    monkeypatch.setattr(collecting.time, "monotonic", lambda: 100.0)
    bench.prints("accuracy=0.1\n")
    bench.collectors.poll(101.0)
    assert bench.kept.points == []
    assert bench.collectors.next_time() <= 102.0
    bench.collectors.poll(102.5)
    assert len(bench.kept.points) == 1


def events(folder: Path, **values: float) -> None:
    with SummaryWriter(str(folder)) as writer:
        for step in (1, 2):
            for name, value in values.items():
                writer.add_scalar(name, value, step)


def test_the_first_source_of_a_name_is_its_only_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.prints("accuracy=0.5\n")
    events(tmp_path / "outputs", accuracy=0.9, loss=0.1)
    points = bench.end()
    assert points.values("accuracy") == [(0, 0.5)]
    assert points.values("loss") == [(1, 0.1), (2, 0.1)]


def test_a_tag_of_the_primary_metric_is_enough_in_one_subfolder(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    events(tmp_path / "outputs" / "train", accuracy=0.9)
    events(tmp_path / "outputs" / "validation", accuracy=0.8)
    points = bench.end()
    assert points.values("accuracy") == [(1, 0.9), (2, 0.9)]
    assert points.values("validation/accuracy") == [(1, 0.8), (2, 0.8)]


def test_event_files_of_another_folder(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"tensorboard": {"path": "runs"}})
    events(tmp_path / "runs", accuracy=0.9)
    events(tmp_path / "outputs", loss=0.9)
    bench.prints("accuracy=0.1\n")
    assert {point["name"] for point in bench.end().points} == {"accuracy"}
    assert bench.kept.values("accuracy") == [(1, 0.9), (2, 0.9)]


def test_a_table_that_grows_and_is_written_anew(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"file": {"path": "m.csv", "format": "csv"}})
    table = tmp_path / "m.csv"
    table.write_text("epoch,loss\n0,0.5\n1,0.4\n2,")
    bench.collectors.poll(math.inf)
    with table.open("a") as file:
        file.write("0.3\n")
    bench.collectors.poll(math.inf)
    # As loggers do when a column is new.
    table.write_text("epoch,loss,accuracy\n0,0.5,\n1,0.4,\n2,0.3,\n3,0.2,0.9")
    points = bench.end()
    assert points.values("loss") == [(0, 0.5), (1, 0.4), (2, 0.3), (3, 0.2)]
    assert points.values("accuracy") == [(3, 0.9)]


def test_json_lines_of_a_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"file": {"path": "logs/m.jsonl", "format": "json"}})
    (tmp_path / "logs").mkdir()
    rows = [{"step": step, "accuracy": step / 10} for step in range(5000)]
    (tmp_path / "logs" / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert len(bench.end().values("accuracy")) == 5000


@pytest.mark.parametrize(
    "document",
    [
        [{"epoch": 1, "accuracy": 0.5}, {"epoch": 2, "accuracy": 0.6}],
        {"epoch": [1, 2], "accuracy": [0.5, 0.6]},
    ],
)
def test_a_whole_json_document_is_read_at_the_end(
    tmp_path: Path, document: object
) -> None:
    bench = Bench(tmp_path, {"file": {"path": "m.json", "format": "json"}})
    (tmp_path / "m.json").write_text(json.dumps(document, indent=1))
    bench.collectors.poll(math.inf)
    assert bench.kept.points == []
    assert bench.end().values("accuracy") == [(1, 0.5), (2, 0.6)]


def test_a_slow_pattern_is_given_up_and_said(tmp_path: Path) -> None:
    slow = {"format": "regex", "pattern": r"(?P<accuracy>(\d+)+)$"}
    bench = Bench(tmp_path, {"stdout": slow})
    bench.prints("5\n" + ("1" * 60 + "x\n") * 12)
    bench.prints("6\n")
    assert bench.end().values("accuracy") == [(0, 5.0)]
    assert bench.notes == [collecting.TOO_SLOW]


def test_a_pattern_that_this_python_cannot_read_is_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"stdout": {"format": "regex", "pattern": "(x"}})
    bench.prints("accuracy=1\n")
    assert bench.end().points == []
    assert "is not usable" in bench.notes[0]


# --- with a runner ------------------------------------------------------------------

COLLECTED = {"primary_metric": "accuracy"}


def test_the_last_line_is_sent_before_the_end(runners: Any, site: Any) -> None:
    script = (
        "for n in range(3): print(f'epoch {n} accuracy=0.{n}', end='\\n' * (n < 2))"
    )
    assert runners.run("python", "-c", script, collectors=COLLECTED) == 0
    values = [(p["name"], p["step"], p["value"]) for p in site.collected]
    assert values == [("accuracy", n, n / 10) for n in range(3)]
    actions = [action for _, _, action in site.requests]
    assert actions.index("metrics") < actions.index("finish")


def test_a_stop_comes_back_to_what_is_collected(
    runners: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.reply_stop = "Too slow."
    script = "import time\nfor n in range(9999): print(f'accuracy={n}'); time.sleep(.1)"
    runner = runners.start("python", "-c", script, collectors=COLLECTED)
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "stopped"
    assert "Too slow." in site.finish["message"]


def test_nothing_is_lost_while_the_site_is_away(
    runners: Any, site: Any, wait_until: Any
) -> None:
    script = "import time\nfor n in range(30): print(f'accuracy={n}'); time.sleep(.15)"
    runner = runners.start("python", "-c", script, collectors=COLLECTED)
    site.wait_for(lambda: site.collected)
    site.go_away()
    wait_until(lambda: not runners.alive())
    assert runner.poll() is None
    site.come_back()
    assert runner.wait(timeout=30) == 0
    assert sorted({p["step"]: p["value"] for p in site.collected}.items()) == [
        (n, float(n)) for n in range(30)
    ]


def test_a_huge_file_does_not_hold_the_slot_after_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terabytes of zeros, which take no room on the disk."""
    monkeypatch.setattr(collecting, "MAX_REST_SECONDS", 0.2)
    file = {"path": "m.csv", "format": "csv"}
    collectors = {"file": file, "tensorboard": {"path": "runs"}}
    bench = Bench(tmp_path, collectors)
    with (tmp_path / "m.csv").open("w") as table:
        table.write("step,accuracy\n0,0.5\n")
        table.truncate(4 << 40)
    events(tmp_path / "runs", loss=2.0)
    started = time.monotonic()
    points = bench.end()
    assert time.monotonic() - started < 60
    assert points.values("accuracy") == [(0, 0.5)]
    assert points.values("loss")
    (note,) = bench.notes
    assert note.startswith("the last 4,39")
    assert "bytes of m.csv are not read: after the training's end" in note
