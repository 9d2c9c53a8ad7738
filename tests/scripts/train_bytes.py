"""Prints every byte there is: NUL, escapes, no valid text."""

from __future__ import annotations

import sys

from witness import witness

witness("START")
sys.stdout.buffer.write(bytes(range(256)))
sys.stdout.flush()
witness("END")
