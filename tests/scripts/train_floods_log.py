"""Prints as fast as it can for so many seconds, and 8 MB at least; with "one-line" it
ends no line."""

from __future__ import annotations

import sys
import time

from witness import witness

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
end = b"" if "one-line" in sys.argv else b"\n"
block = b"".join(b"line %09d of very many" % i + end for i in range(2000))
witness("START")
until = time.monotonic() + seconds
printed = 0
while time.monotonic() < until or printed < 8_000_000:
    printed += sys.stdout.buffer.write(block)
sys.stdout.buffer.write(b"\nthe last words\n")
sys.stdout.flush()
witness("END")
