"""Histograms as text, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.search.figures import told_apart
from experiments.search.preview import Histogram

# So many bars a parameter.
BARS = 10
WIDTH = 30
LONGEST_LABEL = 32
BAR = "="


def histogram_lines(pictures: Mapping[str, Histogram]) -> list[str]:
    """Every parameter with a line a value or range: how often it was drawn."""
    return [line for name in pictures for line in _lines(name, pictures[name])]


def _lines(name: str, picture: Histogram) -> list[str]:
    heads = [name]
    if picture.scale == "log":
        heads.append("log scale")
    if picture.share < 1:
        heads.append(f"set in {_percent(picture.share)} of all configurations")
    rows = list(zip(_labels(picture), picture.counts, strict=True))
    others = picture.drawn - sum(picture.counts)
    if others:
        rows.append(("other values", others))
    wide = max((len(label) for label, _ in rows), default=0)
    most = max(picture.counts, default=0) or 1
    found = [", ".join(heads)]
    for label, count in rows:
        share = _percent(count / (picture.drawn or 1))
        bar = BAR * min(WIDTH, -(-WIDTH * count // most))
        found.append(f"  {label:<{wide}}  {share:>6}  {bar}".rstrip())
    return found


def _labels(picture: Histogram) -> list[str]:
    if picture.scale == "values":
        return [_one_line(label) for label in picture.labels]
    edges = picture.edges
    pairs = [told_apart(*edges[at : at + 2]) for at in range(len(edges) - 1)]
    return [f"{low} to {high}" for low, high in pairs]


def _one_line(text: str) -> str:
    """A value's text as one line of a few signs, none of which moves the cursor."""
    line = "".join(
        sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text
    )
    return line if len(line) <= LONGEST_LABEL else f"{line[: LONGEST_LABEL - 1]}…"


def _percent(share: float) -> str:
    """Such as `12.5 %`; what is not 0 is never told as 0."""
    if 0 < share < 0.001:
        return "<0.1 %"
    return f"{100 * share:.1f} %"
