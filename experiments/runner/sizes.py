"""Sizes in words."""

from __future__ import annotations

UNITS = ("bytes", "KB", "MB", "GB", "TB")


def size_in_words(count: int) -> str:
    """A number of bytes as people write it: "812 bytes", "64 KB", "3.2 MB"."""
    size = float(count)
    unit = 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size /= 1000
        unit += 1
    if unit == 0:
        return "1 byte" if count == 1 else f"{count} bytes"
    digits = f"{size:.1f}".removesuffix(".0")
    return f"{digits} {UNITS[unit]}"
