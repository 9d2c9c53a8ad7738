"""Metrics in lines of output: formats, colours, progress bars, long lines."""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.runner.collectors.lines import (
    MAX_LINE_LENGTH,
    LineBuffer,
    LineFormat,
    PatternTooSlow,
)
from experiments.runner.collectors.readings import Reading


def found(line: str, *, primary: str = "accuracy", **form: Any) -> dict[str, float]:
    parse = LineFormat(**form).parser(primary)
    return {reading.name: reading.value for reading in parse(line)}


def first(line: str, *, primary: str = "accuracy", **form: Any) -> Reading:
    (reading,) = LineFormat(**form).parser(primary)(line)
    return reading


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("accuracy=0.9", 0.9),
        ("accuracy = 9e-1", 0.9),
        ("accuracy: 0.9", 0.9),
        ("epoch 3, accuracy=0.9, loss=0.1", 0.9),
        ("loss: 0.3 - accuracy: 0.9 - val_accuracy: 0.8", 0.9),
        ("{'loss': 0.1, 'accuracy': 0.9}", 0.9),
        ("{'accuracy': np.float64(0.9)}", 0.9),
        ("accuracy: tensor(0.9, device='cuda:0')", 0.9),
        ("accuracy=0.9.", 0.9),
        ("accuracy=-.5", -0.5),
        ("accuracy=91%", 91.0),
        ("accuracy: 0.9 (best accuracy: 0.95)", 0.9),
        ("accuracy=inf", math.inf),
        ("accuracy=-Infinity", -math.inf),
        ('{"accuracy": 0.9}', 0.9),
        ('{"accuracy": "0.9", "epoch": 3}', 0.9),
        ("2024-04-16T12:52:01Z INFO     {metricName: x} accuracy=0.9", 0.9),
    ],
)
def test_the_primary_metric_is_read(line: str, value: float) -> None:
    assert found(line) == {"accuracy": value}


@pytest.mark.parametrize(
    "line",
    [
        "val_accuracy=0.9",
        "my.accuracy=0.9",
        "Accuracy=0.9",
        "accuracy",
        "accuracy=",
        "accuracy: 912/1000",
        "accuracy: 12:30:01",
        "accuracy=none",
        "accuracy=nancy",
        "accuracy=1.2.3",
        "accuracy=0x10",
        "best accuracy so far is good",
        '{"accuracy": null}',
        '{"accuracy": true}',
        '{"accuracy": [0.9]}',
        "{broken json",
    ],
)
def test_what_is_no_value_of_the_primary_metric_is_left(line: str) -> None:
    assert found(line) == {}


def test_not_a_number_is_a_value() -> None:
    assert math.isnan(found("accuracy=nan")["accuracy"])
    assert math.isnan(found('{"accuracy": NaN}')["accuracy"])


def test_a_step_on_the_line_counts() -> None:
    assert first("step 7  accuracy=0.9").step == 7
    assert first("Epoch [3/10] accuracy=0.9").step == 3
    assert first("epoch=1 step=50 accuracy=0.9").step == 50
    assert first("accuracy=0.9").step is None
    assert first('{"epoch": 2, "accuracy": 1}').step == 2
    assert first("steps=4 accuracy=0.9").step is None


def test_a_time_in_front_of_the_line_counts() -> None:
    assert first("2024-04-16T12:52:01.5Z accuracy=0.9").time == 1713271921.5
    assert first("2024-04-16T14:52:01+02:00 accuracy=0.9").time == 1713271921.0
    # Of any zone.
    assert first("[2024-04-16 12:52:01,5] accuracy=0.9").time is None
    assert first('{"timestamp": "2024-04-16T12:52:01Z", "accuracy": 1}').time
    assert first("2024-99-99T12:52:01Z accuracy=0.9").time is None


def test_name_value_reads_the_listed_names() -> None:
    form = {"kind": "name_value", "names": frozenset({"loss", "f1"})}
    assert found("loss=1 accuracy=2 f1: 3", **form) == {"loss": 1.0, "f1": 3.0}


def test_names_that_no_site_can_store_are_not_valid() -> None:
    parse = LineFormat(kind="json").parser("accuracy")
    for name in ("\\ud800", "\\u0000", "", "x" * 251):
        (reading,) = parse(f'{{"{name}": 1}}')
        assert not reading.is_valid
    (reading,) = parse('{"a": 1, "step": 1e30}')
    assert not reading.is_valid


def test_json_lines_read_every_number() -> None:
    line = json.dumps({"a": 1, "b": "2.5", "c": "text", "step": 3, "timestamp": 5})
    assert found(line, kind="json") == {"a": 1.0, "b": 2.5}


def test_nni_reports_are_read() -> None:
    report = {"type": "PERIODICAL", "sequence": 4, "value": json.dumps(0.9)}
    assert first(f"NNISDK_MEb'{json.dumps(report)}'") == Reading("accuracy", 0.9, 4)
    value = json.dumps({"default": 0.9, "loss": 0.1})
    report = {"type": "FINAL", "sequence": 0, "value": value}
    line = str(f"NNISDK_ME{json.dumps(report).encode()!r}")
    assert found(line) == {"accuracy": 0.9, "loss": 0.1}


def test_a_table_names_its_metrics_in_the_first_row() -> None:
    parse = LineFormat(kind="csv").parser("accuracy")
    assert list(parse("epoch;accuracy;note")) == []
    assert list(parse("3; 0.9; good")) == [Reading("accuracy", 0.9, 3)]
    assert list(parse("4;;")) == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (r"(?P<name>\w+) is (?P<value>\S+)", "accuracy is 0.9"),
        (r"acc is (?P<accuracy>\S+)", "acc is 0.9"),
        (r"acc is (?P<value>\S+)", "acc is 0.9"),
        (r"(\w+) is (\S+)", "accuracy is 0.9"),
        (r"\{metricName: ([\w|-]+), metricValue: ((-?\d+)(\.\d+)?)\}",
         "{metricName: accuracy, metricValue: 0.9}"),
        (r"acc is (\S+)", "acc is 0.9"),
    ],
)  # fmt: skip
def test_groups_of_a_pattern(pattern: str, line: str) -> None:
    assert found(line, kind="regex", pattern=pattern) == {"accuracy": 0.9}


def test_a_pattern_finds_the_step() -> None:
    pattern = r"(?P<step>\d+): (?P<value>\S+)"
    assert first("7: 0.9", kind="regex", pattern=pattern).step == 7


def test_a_pattern_needs_a_group() -> None:
    with pytest.raises(ValueError, match="no group"):
        found("x", kind="regex", pattern="x")
    with pytest.raises(re.error):
        found("x", kind="regex", pattern="(x")


def test_a_pattern_that_takes_too_long_is_cut_off() -> None:
    parse = LineFormat(kind="regex", pattern=r"(?P<value>(\d+)+)$").parser("accuracy")
    with pytest.raises(PatternTooSlow):
        for _ in range(100):
            assert not list(parse("1" * 60 + "x"))


def lines(*chunks: bytes, needles: tuple[str, ...] = ()) -> list[str]:
    buffer = LineBuffer(needles)
    ended = [line for chunk in chunks for line in buffer.feed(chunk)]
    return [*ended, *buffer.finish()]


def test_lines_lose_their_colours() -> None:
    assert lines(b"\x1b[1;32maccuracy\x1b[0m=0.9\n") == ["accuracy=0.9"]
    assert lines(b"\x1b]0;title\x07a=1\n") == ["a=1"]


def test_of_a_progress_bar_the_last_state_counts() -> None:
    assert lines(b" 10% a=1\r 20% a=2\r100% a=3\r\n") == ["100% a=3"]
    assert lines(b"1/2 a=1\r2/2 a=2\r        \r\n") == ["2/2 a=2"]
    assert lines(*(b"\r%d%% a=%d" % (i, i) for i in range(99))) == ["98% a=98"]


def test_a_long_line_is_bounded_and_its_torn_end_left_out() -> None:
    start = b"accuracy=0.9 " + b"x" * MAX_LINE_LENGTH
    (line,) = lines(start, b"y" * 100_000, b" accuracy=0.8\n")
    assert line == "accuracy=0.9"
    (line,) = lines(*[b"1" * 5_000] * 30)
    assert line == ""


def test_after_a_long_line_the_next_one_is_whole() -> None:
    assert lines(b"x" * 50_000, b"z\na=1\n")[-1] == "a=1"


def test_lines_without_a_needle_are_left() -> None:
    assert lines(b"x\nacc=1\ny\n", needles=("acc",)) == ["acc=1"]
    assert lines(b"ac", b"c=1\nz", needles=("acc",)) == ["acc=1"]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_lines_do_not_depend_on_chunks(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(data)]
    chunks = [data[a:b] for a, b in itertools.pairwise(places)]
    assert lines(*chunks) == lines(data)


@given(st.text(max_size=200), st.sampled_from(["automatic", "json", "name_value"]))
def test_no_line_is_an_error(line: str, kind: str) -> None:
    for reading in LineFormat(kind=kind).parser("a")(line):
        assert isinstance(reading.value, float)
