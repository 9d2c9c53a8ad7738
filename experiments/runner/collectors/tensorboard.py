"""Scalars from TensorBoard's event files.

A record is its length, that length's checksum, the bytes and their checksum; the bytes
are a protocol buffer `Event`. Only scalars are read, in both of their encodings.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

from experiments.runner.collectors.growing import GrowingFile
from experiments.runner.collectors.readings import Reading

MARK = "tfevents"
HEADER, FOOTER = 12, 4
# A scalar's record has about 50 bytes; larger ones hold pictures and histograms.
MAX_RECORD = 16 * 1024
# A file has no place beyond.
MAX_LENGTH = 1 << 40
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# Fields of Event, Summary, Summary.Value and TensorProto.
WALL_TIME, STEP, SUMMARY = 1, 2, 5
VALUE, TAG, SIMPLE_VALUE, TENSOR = 1, 1, 2, 8
DTYPE, CONTENT, FLOATS, DOUBLES = 1, 4, 5, 6
FLOAT, DOUBLE = 1, 2
FORMATS = {FLOAT: "<f", DOUBLE: "<d"}
POLYNOMIAL = 0x82F63B78


class CorruptEvents(Exception):
    """The file is not an event file from here on."""


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


TABLE = _table()


def masked_crc(data: bytes) -> int:
    """CRC-32C, masked as in TensorFlow's record files."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_events(file: GrowingFile, prefix: str = "") -> Iterator[Reading]:
    """The scalars that a file has got since the last call; `prefix` is put before their
    tags. An incomplete record waits for the next call.

    Raises CorruptEvents.
    """
    while len(header := file.peek(HEADER)) == HEADER:
        length, check = struct.unpack("<QI", header)
        if masked_crc(header[:8]) != check:
            raise CorruptEvents(f"at byte {file.offset:,}")
        size = HEADER + length + FOOTER
        if length > MAX_LENGTH:
            raise CorruptEvents(f"at byte {file.offset:,}")
        if length > MAX_RECORD:
            file.skip(size)
            continue
        record = file.peek(size)
        if len(record) < size:
            return
        data = record[HEADER:-FOOTER]
        if masked_crc(data) != int.from_bytes(record[-FOOTER:], "little"):
            raise CorruptEvents(f"at byte {file.offset:,}")
        file.skip(size)
        yield from _scalars(data, prefix)


def _scalars(event: bytes, prefix: str) -> Iterator[Reading]:
    moment, step, summaries = None, 0, []
    for number, value in _fields(event):
        if number == WALL_TIME and isinstance(value, bytes):
            (moment,) = struct.unpack("<d", value)
        elif number == STEP and isinstance(value, int):
            step = value - (1 << 64) * (value >> 63)
        elif number == SUMMARY and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for number, value in _fields(summary):
            if number == VALUE and isinstance(value, bytes):
                yield from _scalar(value, prefix, step, moment)


def _scalar(
    data: bytes, prefix: str, step: int, moment: float | None
) -> Iterator[Reading]:
    tag, scalar = "", None
    for number, value in _fields(data):
        if number == TAG and isinstance(value, bytes):
            tag = value.decode(errors="replace")
        elif number == SIMPLE_VALUE and isinstance(value, bytes):
            scalar = _shortest(value)
        elif number == TENSOR and isinstance(value, bytes):
            scalar = _tensor(value)
    if tag and scalar is not None:
        yield Reading(f"{prefix}{tag}", scalar, step, moment)


def _tensor(data: bytes) -> float | None:
    """The value of a tensor of one element; None for all others."""
    kind, content = 0, b""
    for number, value in _fields(data):
        if number == DTYPE and isinstance(value, int):
            kind = value
        elif number in (CONTENT, FLOATS, DOUBLES) and isinstance(value, bytes):
            content += value
    if kind not in FORMATS or len(content) != struct.calcsize(FORMATS[kind]):
        return None
    if kind == FLOAT:
        return _shortest(content)
    return float(struct.unpack(FORMATS[kind], content)[0])


def _shortest(data: bytes) -> float | None:
    """A float of 32 bits by its shortest decimals: 0.9, not 0.8999999761581421."""
    if len(data) != struct.calcsize("<f"):
        return None
    (number,) = struct.unpack("<f", data)
    if math.isfinite(number):
        for digits in range(6, 9):
            short = float(f"{number:.{digits}g}")
            if abs(short) < 3.4e38 and struct.pack("<f", short) == data:
                return short
    return float(number)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer: number and value."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == BYTES:
            size, at = _varint(data, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            return
        if at + size > len(data):
            return
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value, at
