"""Prometheus' text format 0.0.4: families of samples, each with its help and type."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = Mapping[str, str]
# Names and what they are escaped to: a pool's name must not end its line.
LABEL_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
HELP_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})


@dataclass
class Family:
    """One metric. ``samples``: pairs of labels and a value; None is left out."""

    name: str
    help: str
    kind: str = "gauge"
    samples: list[tuple[Labels, float]] = field(default_factory=list)

    def add(self, value: float | None, **labels: str) -> None:
        if value is not None:
            self.samples.append((labels, value))

    def lines(self) -> Sequence[str]:
        head = [
            f"# HELP {self.name} {self.help.translate(HELP_ESCAPES)}",
            f"# TYPE {self.name} {self.kind}",
        ]
        return head + [
            f"{self.name}{_labels(labels)} {_number(value)}"
            for labels, value in self.samples
        ]


def page(families: Iterable[Family]) -> str:
    """The whole answer; a family without samples does not show."""
    lines = (line for family in families if family.samples for line in family.lines())
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Labels) -> str:
    pairs = (
        f'{name}="{text.translate(LABEL_ESCAPES)}"' for name, text in labels.items()
    )
    return f"{{{','.join(pairs)}}}" if labels else ""


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
