"""A proposed distribution for each argument, by its name, type and default."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from experiments.code.scripts.findings import (
    BOOL,
    FLOAT,
    INT,
    PATH,
    SWITCH,
    TEXT,
    ScriptArgument,
    ScriptMetric,
)
from experiments.search.records import JSONValue

Distribution: TypeAlias = "dict[str, JSONValue]"
MAX_SHOWN = 60


@dataclass(frozen=True)
class Proposal:
    """`distribution` as in a document; `is_fixed`: better the same for every trial."""

    distribution: Distribution
    is_fixed: bool

    @property
    def kind(self) -> str:
        """`float, log`."""
        log = ", log" if self.distribution.get("log") else ""
        return f"{self.distribution['type']}{log}"

    @property
    def values(self) -> str:
        """`0.0001 to 0.1`, or the choices."""
        values: Any = self.distribution.get("values")
        if values is None:
            bounds = ("low", "high") if "low" in self.distribution else BOUNDS
            low, high = (_text(self.distribution[name]) for name in bounds)
            return f"{low} to {high}"
        text = ", ".join(map(_text, values))
        return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


BOUNDS = ("min_value", "max_value")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0").rstrip(".")
    return str(value)


def choice(*values: JSONValue) -> Distribution:
    return {"type": "choice", "values": list(values)}


def uniform(low: float, high: float) -> Distribution:
    return {"type": "uniform", "min_value": tidy(low), "max_value": tidy(high)}


def log_float(low: float, high: float) -> Distribution:
    return {"type": "float", "low": tidy(low), "high": tidy(high), "log": True}


def whole(low: int, high: int, *, log: bool = False) -> Distribution:
    found: Distribution = {"type": "int", "low": low, "high": high}
    return {**found, "log": True} if log else found


def tidy(value: float) -> float | int:
    """With at most 3 digits; whole numbers without a dot."""
    short = float(f"{value:.3g}")
    return int(short) if short.is_integer() and abs(short) < 1e6 else short


def around(
    default: float, factor: float = 100, *, most: float = math.inf
) -> Distribution:
    """Logarithmic, with the default in its middle."""
    high = max(min(default * factor, most), default)
    return log_float(default / factor, high)


def powers_of_two(default: int) -> Distribution:
    """The power of two that is nearest to the default, two below it and two above."""
    middle = round(math.log2(max(default, 1)))
    return choice(*(2**power for power in range(max(middle - 2, 0), middle + 3)))


def _learning_rate(default: float) -> Distribution:
    return around(default or 0.001, most=1)


def _decay(default: float) -> Distribution:
    return around(default, most=1) if default > 0 else log_float(1e-6, 0.01)


def _share(default: float) -> Distribution:
    return uniform(0, 0.5) if default <= 0.5 else uniform(0.5, 1)


def _near_one(default: float) -> Distribution:
    return uniform(0.9, 0.999) if default > 0.95 else uniform(0.5, 0.99)


def _any_float(default: float) -> Distribution:
    if default > 0:
        return around(default, 10)
    return uniform(2 * default, 0) if default else uniform(0, 1)


def _layers(default: float) -> Distribution:
    return whole(1, max(2 * int(default), 4))


def _size(default: float) -> Distribution:
    return powers_of_two(int(default) or 64)


def _any_int(default: float) -> Distribution:
    if default >= 8:
        return powers_of_two(int(default))
    return whole(1, max(2 * int(default), 4)) if default > 0 else whole(0, 4)


def _named(words: str) -> re.Pattern[str]:
    """Names with one of these between underscores: `lr` and `base_lr`, not `color`."""
    return re.compile(rf"(?:^|_)(?:{'|'.join(words.split())})(?:_|$|\d)")


ANY = re.compile("")
RATES = _named(r"lr(?!_(?:decay|gamma|factor)) learning_?rate step_size eta")
DECAYS = _named(r"weight_decay wd l1 l2 reg\w* eps\w* alpha lambd\w* penalty c")
SHARES = _named(
    r"drop\w* prob\w* p smoothing noise ratio fraction subsample keep colsample\w*"
)
NEAR_ONE = _named("momentum beta beta1 beta2 gamma rho decay ema tau")
LAYERS = _named("layers depth blocks degree")
SIZES = _named(
    r"batch\w* hidden\w* units size dim width channels filters features embed\w*"
    " neurons rank heads estimators leaves trees"
)
# Better the same for every trial, though any may be searched.
FIXED = _named(
    r"seed random_state epochs? steps iterations iters? rounds? data\w* path dir folder"
    r" file root input output\w* out save\w* load log\w* name checkpoint\w* ckpt device"
    r" gpus? cuda workers threads jobs port host project entity run resume verbose"
    r" debug config url version world_size local_rank interval every freq split folds?"
    " download dry_run"
)
# The first rule for the kind whose names fit.
RULES: Sequence[tuple[str, re.Pattern[str], Callable[[float], Distribution]]] = (
    (FLOAT, RATES, _learning_rate),
    (FLOAT, DECAYS, _decay),
    (FLOAT, SHARES, _share),
    (FLOAT, NEAR_ONE, _near_one),
    (FLOAT, ANY, _any_float),
    (INT, LAYERS, _layers),
    (INT, SIZES, _size),
    (INT, ANY, _any_int),
)


def propose(argument: ScriptArgument) -> Proposal:
    """What to search if the argument is searched, and whether it should be."""
    is_fixed = argument.kind in (TEXT, PATH, SWITCH)
    is_fixed = is_fixed or bool(FIXED.search(argument.name.lower()))
    return Proposal(_distribution(argument), is_fixed and not argument.choices)


AIMS = _named(r"val\w* test eval\w* dev")
SCORES = re.compile(
    r"acc|auc|f1|score|reward|return|bleu|r2|map|iou|dice|recall|rmse|mae"
)


def proposed_metric(metrics: Sequence[ScriptMetric]) -> str:
    """The metric that is most probably the objective; empty without metrics."""

    def rank(metric: ScriptMetric) -> tuple[bool, ...]:
        name = re.sub(r"\W", "_", metric.name.lower())
        is_held_out, is_score = AIMS.search(name), SCORES.search(name)
        is_training = name.startswith("train") or "time" in name
        return (
            bool(metric.every),
            not is_training,
            bool(is_held_out or is_score or "loss" in name),
            bool(is_score),
            bool(is_held_out),
            not metric.is_printed,
        )

    # Of equals the first.
    return max(metrics, key=rank).name if metrics else ""


def _distribution(argument: ScriptArgument) -> Distribution:
    if argument.choices:
        return choice(*argument.choices)
    if argument.kind == BOOL:
        return choice(True, False)
    if argument.low is not None and argument.high is not None:
        return _within(argument, argument.low, argument.high)
    default = argument.default
    if argument.kind in (FLOAT, INT):
        return _clipped(argument, _by_name(argument, _as_number(default)))
    return choice(default) if default is not None else choice()


def _as_number(value: JSONValue) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _by_name(argument: ScriptArgument, default: float) -> Distribution:
    name = argument.name.lower()
    rule = next(
        rule
        for kind, pattern, rule in RULES
        if kind == argument.kind and pattern.search(name)
    )
    return rule(default)


def _within(argument: ScriptArgument, low: float, high: float) -> Distribution:
    """The range that the script itself allows."""
    is_wide = low > 0 and high / low >= 100
    if argument.kind == INT:
        return whole(int(low), int(high), log=is_wide)
    return log_float(low, high) if is_wide else uniform(low, high)


def _clipped(argument: ScriptArgument, found: Distribution) -> Distribution:
    """The proposal inside a range that has one end."""
    low = -math.inf if argument.low is None else argument.low
    high = math.inf if argument.high is None else argument.high
    values = found.get("values")
    if isinstance(values, list):
        kept = [v for v in values if low <= v <= high]  # type: ignore[operator]
        return choice(*(kept or values))
    bounds = ("low", "high") if "low" in found else BOUNDS
    ends: Any = [found[name] for name in bounds]
    clipped = [min(max(end, low), high) for end in ends]
    return (
        found
        if clipped[0] >= clipped[1]
        else found | dict(zip(bounds, clipped, strict=True))
    )
