"""Prints its numbers as text: NaN, infinities, too large ones, a minus zero."""

from __future__ import annotations

from witness import witness

witness("START")
for text in ("0.5", "nan", "inf", "-inf", "1e400", "-0.0", "1" + "0" * 400):
    print(f"accuracy={text}", flush=True)
print('{"accuracy": NaN}', flush=True)
witness("END")
