"""What a script has printed, when it never reported the primary metric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.runner.collectors.printed import MAX_READ, printed_metrics


def test_likely_names_come_first_with_their_last_value(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "lr=0.1 epochs: 3\nval_acc=0.5\n[sweepsite: accuracy=7]\nloss = 0.3\n"
        "val_acc=0.91\naccuracy=0.1\n"
    )
    first, *others = printed_metrics(log, "accuracy")
    assert first == "val_acc=0.91"
    assert len(others) == 2


def test_head_and_tail_of_a_long_log_are_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "head=1\n" + "x\n" * 2 * MAX_READ + "middle=1\n" + "x\n" * MAX_READ + "tail=2"
    )
    assert set(printed_metrics(log, "m")) == {"head=1", "tail=2"}


def test_an_empty_or_missing_log_has_none(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    assert printed_metrics(tmp_path / "log", "m") == ()
    assert printed_metrics(tmp_path / "nothing", "m") == ()


def test_the_finish_report_has_them(runners: Any, site: Any) -> None:
    collectors = {"primary_metric": "accuracy"}
    script = "print('epoch 3 val_acc=0.91')"
    assert runners.run("python", "-c", script, collectors=collectors) == 0
    assert site.finish["printed"] == ["val_acc=0.91"]


def test_a_failure_and_a_collected_metric_need_none(runners: Any, site: Any) -> None:
    collectors = {"primary_metric": "accuracy"}
    failing = "print('val_acc=0.91'); raise SystemExit(3)"
    assert runners.run("python", "-c", failing, collectors=collectors) == 0
    assert "printed" not in site.finish
    site.finishes.clear()
    good = "print('val_acc=0.91 accuracy=1')"
    assert runners.run("python", "-c", good, collectors=collectors) == 0
    assert "printed" not in site.finish
