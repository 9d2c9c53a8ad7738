"""Takes memory until it gets no more."""

from __future__ import annotations

from witness import witness

witness("START")
hoard = []
while True:
    hoard.append(bytearray(16 << 20))
