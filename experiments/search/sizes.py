"""Sizes: a number of bytes, `512 MB` (powers of 1000) or `8 GiB` (powers of 1024)."""

from __future__ import annotations

import re

from experiments.search.fields import Fields, whole_number
from experiments.search.problems import shown

MIB = 1 << 20
LARGEST = 1 << 50
POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
TEXT = re.compile(
    r"(\d{1,15}(?:\.\d{1,6})?)\s*(?:bytes?|([kmgt]?)(i?)b?)", re.IGNORECASE
)


def bytes_of(text: str) -> int | None:
    """The bytes that a text means; None when it means no size."""
    match = TEXT.fullmatch(text.strip()[:100])
    if match is None:
        return None
    amount, unit, binary = match.groups()
    power = POWERS[(unit or "").lower()]
    if binary and not power:
        return None
    unit_bytes: int = (1024 if binary else 1000) ** power
    return round(float(amount) * unit_bytes)


def read_bytes(document: Fields, key: str, *, least: int) -> int | None:
    """A field that is a size, in bytes; None when left out."""
    value = document.raw(key)
    if value is None:
        return None
    size = bytes_of(value) if isinstance(value, str) else whole_number(value)
    if size is None or not least <= size <= LARGEST:
        bound = f"of at least {least:,} bytes" if least > 1 else "above 0"
        document.error(
            key,
            f"{key} must be a size {bound}, such as 512 MB, 8 GiB or a number of "
            f"bytes, not {shown(value)}.",
        )
        return None
    return size
