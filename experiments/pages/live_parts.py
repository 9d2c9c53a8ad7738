"""Pages that stay fresh by parts: which parts look different from what a page has seen.

A page carries a token that its feed gets back as ``?since=``: a mark of the rows that
it shows, then a digest of each part. As long as the mark holds, nothing is rendered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def digest(text: str) -> str:
    """Short text that changes with the text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def token_of(mark: str, parts: Mapping[str, str]) -> str:
    """Where a page stands. ``parts``: the HTML of each, always in the same order."""
    return "~".join([mark, *map(digest, parts.values())])


def is_current(since: str, mark: str) -> bool:
    return since.startswith(f"{mark}~")


def changed_parts(since: str, parts: Mapping[str, str]) -> dict[str, str]:
    """The parts that a page with the token shows otherwise."""
    seen = dict(zip(parts, since.split("~")[1:], strict=False))
    return {
        name: html for name, html in parts.items() if seen.get(name) != digest(html)
    }
