"""TensorBoard's event files: both encodings, growing files, damage."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary

from experiments.runner.collectors import growing, tensorboard
from experiments.runner.collectors.growing import GrowingFile
from experiments.runner.collectors.readings import Reading
from experiments.runner.collectors.sources import EventFiles
from experiments.runner.collectors.tensorboard import masked_crc, read_events


def record(event: Event) -> bytes:
    data: bytes = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    check = struct.pack("<I", masked_crc(length))
    return length + check + data + struct.pack("<I", masked_crc(data))


def scalar(tag: str, value: float, step: int = 1) -> Event:
    values = [Summary.Value(tag=tag, simple_value=value)]
    return Event(wall_time=5.5, step=step, summary=Summary(value=values))


def names_in(source: EventFiles) -> list[str]:
    return [reading.name for _, reading in source.look()]


def write(path: Path, *events: Event) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"".join(map(record, events)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outputs" / "events.out.tfevents.1"


def read(path: Path) -> list[Reading]:
    file = GrowingFile(path, top=path.parent)
    file.refill()
    return list(read_events(file))


def test_a_known_checksum() -> None:
    # RFC 3720, B.4: 32 bytes of zeros have the CRC 8A9136AA.
    crc = 0x8A9136AA
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc(bytes(32)) == masked


def test_files_of_a_summary_writer(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "outputs"), flush_secs=1) as writer:
        for step in range(3):
            writer.add_scalar("accuracy", 0.9, step, walltime=100.0 + step)
        writer.add_scalar("bad", float("nan"), 3)
        writer.add_text("note", "x" * 20_000, 0)
        writer.add_histogram("weights", [1.0, 2.0, 3.0], 0)
        writer.add_hparams({"lr": 0.1}, {"hp/loss": 0.25})
    source = EventFiles("outputs", work=tmp_path)
    found = [reading for _, reading in source.look()]
    assert found[:3] == [Reading("accuracy", 0.9, n, 100.0 + n) for n in range(3)]
    assert found[3].name == "bad"
    # Its subfolder's name has the time in it.
    assert found[4].name.endswith("/hp/loss")
    assert len(found) == 5
    assert list(source.look()) == []
    assert source.problems == []


def test_a_tensor_of_one_element_is_a_scalar(path: Path) -> None:
    events = []
    for kind, content in ((1, struct.pack("<f", 0.9)), (2, struct.pack("<d", 0.1))):
        value = Summary.Value(tag=f"t{kind}")
        value.tensor.dtype = kind
        value.tensor.tensor_content = content
        events.append(Event(step=7, summary=Summary(value=[value])))
    packed = Summary.Value(tag="packed")
    packed.tensor.dtype = 1
    packed.tensor.float_val.append(0.5)
    many = Summary.Value(tag="many")
    many.tensor.dtype = 1
    many.tensor.float_val.extend([0.5, 0.6])
    events.append(Event(step=7, summary=Summary(value=[packed, many])))
    write(path, *events)
    found = {reading.name: reading.value for reading in read(path)}
    assert found == {"t1": 0.9, "t2": 0.1, "packed": 0.5}


def test_a_negative_step_and_a_step_of_zero(path: Path) -> None:
    write(path, scalar("a", 1.0, -3), scalar("a", 1.0, 0))
    assert [reading.step for reading in read(path)] == [-3, 0]


def test_a_record_that_is_half_written_waits(path: Path, tmp_path: Path) -> None:
    whole = record(scalar("a", 1.0))
    source = EventFiles("outputs", work=tmp_path)
    write(path, scalar("first", 1.0))
    for byte in whole[:-1]:
        with path.open("ab") as file:
            file.write(bytes([byte]))
        assert names_in(source) in (["first"], [])
    with path.open("ab") as file:
        file.write(whole[-1:])
    assert names_in(source) == ["a"]


def test_files_that_appear_later_and_subfolders(path: Path, tmp_path: Path) -> None:
    source = EventFiles("outputs", work=tmp_path)
    assert names_in(source) == []
    write(path, scalar("a", 1.0))
    assert names_in(source) == ["a"]
    write(path.parent / "train" / "events.tfevents.2", scalar("a", 2.0))
    write(path, scalar("b", 1.0))
    assert sorted(names_in(source)) == ["b", "train/a"]


def test_a_large_record_is_left_out(path: Path, tmp_path: Path) -> None:
    large = Event(file_version="x" * (2 * growing.MAX_READ))
    write(path, large, scalar("a", 1.0))
    source = EventFiles("outputs", work=tmp_path)
    assert [r.name for _, r in source.rest()] == ["a"]


@pytest.mark.parametrize("place", [3, 9, 20, -2])
def test_a_damaged_file_is_left_and_said(
    path: Path, tmp_path: Path, place: int
) -> None:
    damaged = bytearray(record(scalar("a", 1.0)))
    damaged[place] ^= 0x10
    write(path, scalar("first", 1.0))
    with path.open("ab") as file:
        file.write(damaged + record(scalar("last", 1.0)))
    source = EventFiles("outputs", work=tmp_path)
    assert names_in(source) == ["first"]
    assert names_in(source) == []
    (problem,) = source.problems
    assert "events.out.tfevents.1 cannot be read any further" in problem


def test_links_are_not_followed(path: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.tfevents"
    write(outside, scalar("a", 1.0))
    path.parent.mkdir()
    path.symlink_to(outside)
    assert names_in(EventFiles("outputs", work=tmp_path)) == []


def test_values_have_the_digits_that_the_script_wrote(path: Path) -> None:
    values = [0.9, 0.1234567, 3.4028235e38, 1e-45, 16777217.0, float("-inf")]
    write(path, *(scalar("a", value) for value in values))
    for value, reading in zip(values, read(path), strict=True):
        assert struct.pack("<f", reading.value) == struct.pack("<f", value)
    assert read(path)[0].value == 0.9


def test_any_bytes_end_without_an_error(path: Path) -> None:
    for size in range(60):
        data = bytes((size * 37 + i * 91) & 0xFF for i in range(size))
        list(tensorboard._scalars(data, ""))


def test_a_record_of_endless_length_is_not_read_into_memory(path: Path) -> None:
    path.parent.mkdir()
    for length in (1 << 30, 1 << 63):
        header = struct.pack("<Q", length)
        path.write_bytes(header + struct.pack("<I", masked_crc(header)))
        with path.open("ab") as file:
            file.truncate(20 * growing.MAX_READ)
        source = EventFiles("outputs", work=path.parent.parent)
        assert list(source.rest()) == []
        (read,) = source._files.values()
        assert len(read.peek(1 << 30)) <= growing.MAX_READ
    assert len(source.problems) == 1
