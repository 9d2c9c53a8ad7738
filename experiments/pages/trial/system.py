"""What a trial or run used of its machine: a card that is loaded once it is opened."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse

from experiments.formatting import bytes_text, metric_text
from experiments.models import Metric, Run
from experiments.models.metrics import SYSTEM
from experiments.pages.curves import Points, points_of
from experiments.pages.frame import get
from experiments.pages.trial.views import card_page, trial_to_read

MAX_CHARTS = 24
GPU = re.compile(r"gpu_(\d+)(_memory)?")
# How MLflow's names end; its steps count the measurements.
SUFFIXES = {"_percentage": "%", "_megabytes": "MB", "_watts": "W"}
SIZES = {10**12: "TB", 10**9: "GB", 10**6: "MB", 10**3: "kB"}
FIRST = ("CPU", "Memory", "GPU use", "GPU memory", "Disk")


class Placed(NamedTuple):
    """Where a metric is drawn. ``timed``: its steps are seconds, as our runner's."""

    title: str
    line: str
    unit: str
    timed: bool = True


OURS: Mapping[str, Placed] = {
    "cpu": Placed("CPU", "CPU", "cores"),
    "memory": Placed("Memory", "memory", "bytes"),
    "disk_read": Placed("Disk", "read", "bytes/s"),
    "disk_write": Placed("Disk", "written", "bytes/s"),
}


def placed(name: str) -> Placed:
    short = name.removeprefix(SYSTEM)
    if short in OURS:
        return OURS[short]
    if found := GPU.fullmatch(short):
        gpu = f"GPU {found[1]}"
        if found[2]:
            return Placed("GPU memory", gpu, "bytes")
        return Placed("GPU use", gpu, "%")
    suffix = next((each for each in SUFFIXES if short.endswith(each)), "")
    words = short.removesuffix(suffix).replace("_", " ")
    title = re.sub(r"\b[cg]pu\b", lambda found: found[0].upper(), words)
    title = title[:1].upper() + title[1:]
    return Placed(title, words, SUFFIXES.get(suffix, ""), timed=False)


@dataclass(frozen=True)
class SystemChart:
    """One small chart; ``facts``: the latest value and the peak, in words."""

    id: str
    title: str
    facts: str
    model: Mapping[str, Any]

    @property
    def model_id(self) -> str:
        return f"{self.id}-model"


class Line(NamedTuple):
    place: Placed
    metric: Metric


def system_charts(
    metrics: Iterable[Metric], totals: Mapping[str, Any]
) -> list[SystemChart]:
    """``totals``: what the machine has, under the names of an environment's document.
    One query for the points of short series, a few for long ones."""
    groups: dict[tuple[int, str, str], list[Line]] = {}
    for metric in metrics:
        place = placed(metric.name)
        rank = FIRST.index(place.title) if place.title in FIRST else len(FIRST)
        key = (rank, place.title, place.unit)
        groups.setdefault(key, []).append(Line(place, metric))
    shown = [groups[key] for key in sorted(groups)[:MAX_CHARTS]]
    points = points_of([line.metric for lines in shown for line in lines])
    return [
        _chart(f"system-{place}", lines, points, totals)
        for place, lines in enumerate(shown)
    ]


def _chart(
    id: str,
    lines: Sequence[Line],
    points: Mapping[int, Points],
    totals: Mapping[str, Any],
) -> SystemChart:
    title, _, unit, timed = lines[0].place
    high = max(line.metric.high or 0.0 for line in lines)
    word, size = _scaled(unit, high)
    axis, step = _time_axis(lines) if timed else ("measurement", 1)
    series = [
        {
            "name": place.line if len(lines) > 1 else word,
            "points": [
                [(x or 0) / step, None if y is None else y / size]
                for x, y in points[metric.pk]
            ],
        }
        for place, metric in lines
    ]
    return SystemChart(
        id=id,
        title=f"{title}, {word}" if word else title,
        facts=_facts(lines, totals),
        model={"xLabel": axis, "musts": [0, high / size], "series": series},
    )


def _time_axis(lines: Sequence[Line]) -> tuple[str, int]:
    """The unit of the axis, and its seconds."""
    seconds = max(line.metric.last_step or 0 for line in lines)
    if seconds > 3 * 3_600:
        return "hours", 3_600
    return ("minutes", 60) if seconds > 180 else ("seconds", 1)


def _scaled(unit: str, high: float) -> tuple[str, float]:
    """``bytes/s`` of up to 5 million become ``MB/s``."""
    if not unit.startswith("bytes"):
        return unit, 1
    size = next((size for size in SIZES if high >= size), 1)
    return unit.replace("bytes", SIZES.get(size, "bytes")), size


def _facts(lines: Sequence[Line], totals: Mapping[str, Any]) -> str:
    """``last 0.6, at most 1.9 of 4``; of several lines only their peaks."""
    place = lines[0].place
    whole = {"CPU": totals.get("cpus"), "Memory": totals.get("memory")}.get(place.title)
    peaks = [_value(line.metric.high, place.unit) for line in lines]
    if len(lines) > 1:
        named = (f"{peaks[k]} {line.place.line}" for k, line in enumerate(lines))
        return f"at most {', '.join(named)}"
    last = _value(lines[0].metric.last_value, place.unit)
    of = f" of {_value(whole, place.unit)}" if whole else ""
    return f"last {last}, at most {peaks[0]}{of}"


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    if unit.startswith("bytes"):
        return bytes_text(value) + unit.removeprefix("bytes")
    text = str(value) if isinstance(value, int) else metric_text(value, 3)
    return f"{text}{'%' if unit == '%' else ''}"


def system_page(request: HttpRequest, pk: int) -> HttpResponse:
    trial = trial_to_read(request, pk)
    attempt = trial.current_attempt
    metrics = Metric.objects.of_system().filter(attempt=attempt)
    run: Run | None = getattr(trial, "run", None)
    totals = run.environment if run else {}
    context = {
        "charts": system_charts(metrics, totals),
        "host": totals.get("host", ""),
        "measured": attempt is not None and attempt.worker_id is not None,
    }
    return card_page(request, trial, "system", context)


urlpatterns = [get("trials/<int:pk>/system/", system_page, "trial_system")]
