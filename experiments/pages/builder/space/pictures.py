"""A row of the search space as a histogram of real draws, and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from experiments.formatting import number_text
from experiments.pages.builder.space.parameters import ParameterForm
from experiments.pages.form_fields import (
    ValuesError,
    read_number,
    read_values,
    write_values,
)
from experiments.search.fields import Diagnostics, is_number
from experiments.search.preview import Histogram, histogram, space_histograms
from experiments.search.space.continuous import Logarithmic, RealDistribution
from experiments.search.space.distribution import Distribution
from experiments.search.space.notation import read_distribution
from experiments.search.space.ranges import FloatRange, IntRange
from experiments.search.space.space import SearchSpace
from experiments.search.wording import counted, significant

WIDTH, HEIGHT, GAP = 150.0, 24.0, 1.5
DRAWS = 600
MAX_LABELS = 6
LETTER = 6.0
TINY = math.ulp(0)
MAX_LABEL_LENGTH = 14


@dataclass(frozen=True)
class HistogramBar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class HistogramTick:
    x: float
    anchor: str
    text: str


@dataclass(frozen=True)
class HistogramPicture:
    """Bars and ticks in a box of 150 by 40; `words` describe the picture."""

    bars: Sequence[HistogramBar]
    ticks: Sequence[HistogramTick]
    words: str


def law_of(row: ParameterForm) -> Distribution | None:
    """The row's distribution; None while the row has problems."""
    mapping, faults = row.distribution()
    diagnostics = Diagnostics()
    law = read_distribution(mapping, "", diagnostics, log_base=row.log_base)
    return None if faults else law


def picture_of(law: Distribution) -> HistogramPicture:
    """A histogram of draws from the distribution."""
    drawn = histogram(law, draws=DRAWS)
    bounds = _bounds(law)
    if drawn.scale != "values" and bounds:
        drawn = replace(drawn, labels=bounds)
    return _picture(drawn)


def pictures_of(space: SearchSpace) -> Mapping[str, HistogramPicture | None]:
    """A histogram for each axis of a space; None for one that was never active."""
    pictures: dict[str, HistogramPicture | None] = {}
    for name, drawn in space_histograms(space, draws=DRAWS).items():
        bounds = _bounds(space.axes[name].distribution)
        if drawn.scale != "values" and bounds and not space.constraints:
            drawn = replace(drawn, labels=bounds)
        pictures[name] = _picture(drawn) if drawn.drawn else None
    return pictures


def _picture(drawn: Histogram) -> HistogramPicture:
    bars = _bars(drawn)
    return HistogramPicture(bars, _ticks(drawn, bars), _words(drawn))


def _bounds(law: Distribution) -> tuple[str, str] | None:
    """The bounds of what can be drawn, if there are any."""
    match law:
        case FloatRange() | IntRange():
            low, high = float(law.low), float(law.high)
        case RealDistribution():
            low, high = float(law.variable.low), float(law.variable.high)
        case _:
            return None
    if not math.isfinite(high) or not math.isfinite(low):
        return None
    return significant(low), significant(high)


def hint_of(row: ParameterForm, law: Distribution | None) -> str:
    """Bounds in the other unit: logarithms for natural ones, values for logarithms."""
    if law is None or not isinstance(law, Logarithmic):
        return ""
    if not row.spec.in_logs:
        return _median_words(law)
    if not row.in_natural_units:
        return f"{significant(law.variable.low)} to {significant(law.variable.high)}"
    low, high = (read_number(row.text(end)) for end in ("low", "high"))
    if not is_number(low) or not is_number(high):
        return ""
    base = row.log_base
    name = "ln" if base == math.e else f"log base {number_text(base)}"
    bounds = [number_text(math.log(n) / math.log(base), 3) for n in (low, high)]
    return f"{name} {bounds[0]} to {bounds[1]}"


def summary_of(row: ParameterForm) -> str:
    """The row's values in a few words, for a closed row on a phone."""
    if row.spec.key == "choice":
        try:
            return write_values(read_values(row.text("values"))) or "no values"
        except ValuesError:
            return row.text("values")
    parts = [row.text(field.name).strip() for field in row.spec.fields]
    bounds = " to ".join(part or "?" for part in parts[:2])
    if row.spec.key == "randint":
        return f"0 to below {bounds}"
    step = f", {row.spec.fields[2].label} {parts[2]}" if parts[2:] and parts[2] else ""
    unit = "" if row.in_natural_units or not row.spec.in_logs else "ln "
    return f"{unit}{bounds}{step}"


def _median_words(law: Logarithmic) -> str:
    low, middle, high = (
        significant(float(law.variable.quantile(share)), 3)
        for share in (0.025, 0.5, 0.975)
    )
    return f"median {middle}, mostly {low} to {high}"


def _bars(drawn: Histogram) -> list[HistogramBar]:
    """As high as its draws are dense: a wider bar has more of them."""
    number = len(drawn.counts)
    gap = GAP if drawn.scale != "values" else min(10.0, WIDTH / number / 4)
    borders = _borders(drawn)
    shares = [high - low for low, high in pairwise(borders)]
    dense = [count / share for count, share in zip(drawn.counts, shares, strict=True)]
    most = max(dense, default=0) or 1
    bars = []
    for low, share, density in zip(borders, shares, dense, strict=False):
        height = max(HEIGHT * density / most, 1.0 if density else 0.0)
        bars.append(
            HistogramBar(
                x=round(low * (WIDTH + gap), 2),
                y=round(HEIGHT - height, 2),
                width=round(max(share * (WIDTH + gap) - gap, 0.8), 2),
                height=round(height, 2),
            )
        )
    return bars


def _borders(drawn: Histogram) -> Sequence[float]:
    """Where the bars begin and end, as shares of the picture's width."""
    log = drawn.scale == "log"
    edges = [math.log(x or TINY) if log else x for x in drawn.edges]
    number = len(drawn.counts)
    width = edges[-1] - edges[0] if edges else 0
    if not 0 < width < math.inf:
        return [place / number for place in range(number + 1)]
    return [(edge - edges[0]) / width for edge in edges]


def _ticks(drawn: Histogram, bars: Sequence[HistogramBar]) -> list[HistogramTick]:
    if drawn.scale == "values":
        return _value_ticks(drawn, bars)
    low, high = (_minus(text) for text in drawn.labels)
    ticks = [HistogramTick(0, "start", low), HistogramTick(WIDTH, "end", high)]
    middle = _minus(_middle(drawn))
    half = LETTER * (len(middle) / 2 + max(len(low), len(high)))
    if half < WIDTH / 2:
        ticks.insert(1, HistogramTick(WIDTH / 2, "middle", middle))
    return ticks


def _middle(drawn: Histogram) -> str:
    """The number at the middle of the axis, which a logarithmic axis names."""
    low, high = drawn.edges[0], drawn.edges[-1]
    if drawn.scale == "log":
        return f"{significant(math.sqrt(low) * math.sqrt(high), 1)} (log)"
    return significant(low / 2 + high / 2, 3)


def _value_ticks(drawn: Histogram, bars: Sequence[HistogramBar]) -> list[HistogramTick]:
    """Every value's label if all fit, otherwise the first and the last."""
    labels = [_cut(label) for label in drawn.labels]
    step = WIDTH / len(labels)
    if len(labels) <= MAX_LABELS and all(
        len(label) * LETTER < step + 2 for label in labels
    ):
        return [
            HistogramTick(round(bar.x + bar.width / 2, 2), "middle", label)
            for bar, label in zip(bars, labels, strict=True)
        ]
    ends = [
        HistogramTick(0, "start", labels[0]),
        HistogramTick(WIDTH, "end", labels[-1]),
    ]
    return ends if len(labels) > 1 else ends[:1]


def _words(drawn: Histogram) -> str:
    if drawn.scale == "values":
        return f"Drawn from {counted(len(drawn.labels), 'value')}."
    return f"Drawn from {drawn.labels[0]} to {drawn.labels[1]}."


def _cut(text: str) -> str:
    return (
        text
        if len(text) <= MAX_LABEL_LENGTH
        else f"{text[: MAX_LABEL_LENGTH - 1]}\u2026"
    )


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}", 1) if text.startswith("-") else text
