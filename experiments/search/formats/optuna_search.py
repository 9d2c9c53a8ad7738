"""The sampler and the pruner of an Optuna study, where its JSON names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from experiments.search.fields import is_number, shown
from experiments.search.formats.mapping import asha_policy, hyperband_policy
from experiments.search.formats.nodes import Node
from experiments.search.records import JSONObject

# The first ones work like ours; the others are replaced by a similar one.
SAMPLERS: Mapping[str, str] = {
    "RandomSampler": "random",
    "GridSampler": "grid",
    "BruteForceSampler": "grid",
    "TPESampler": "tpe",
    "CmaEsSampler": "cmaes",
    "GPSampler": "bayesian",
    "QMCSampler": "sobol",
    "BoTorchSampler": "bayesian",
    "SkoptSampler": "bayesian",
    "NSGAIISampler": "tpe",
    "NSGAIIISampler": "tpe",
    "PartialFixedSampler": "tpe",
}
SAME = tuple(SAMPLERS)[:7]
DEFAULT_SAMPLER = "tpe"


def read_sampler(study: Node) -> JSONObject:
    """The sampling; without one, Optuna's default and a note."""
    if not study.has("sampler"):
        study.log.changed(
            "",
            "A study does not store its sampler and pruner. The sweep uses tpe, "
            "Optuna's default, without early termination.",
            "Choose median stopping for Optuna's default pruner.",
        )
        return {"type": DEFAULT_SAMPLER}
    name, settings = _named(study, "sampler")
    kind = SAMPLERS.get(name, DEFAULT_SAMPLER)
    if study.is_misspelled("sampler", name, SAMPLERS, kind="sampler"):
        settings.skip(settings.given())
    elif name not in SAME:
        message = f"There is no sampler {shown(name)} here; {kind} is used instead."
        study.changed("sampler", message)
    seed = settings.number("seed")
    settings.close("the sampler here")
    return {"type": kind} if seed is None else {"type": kind, "seed": seed}


def read_pruner(study: Node) -> JSONObject:
    """The policy of the pruner; empty without one."""
    if not study.has("pruner"):
        return {}
    name, settings = _named(study, "pruner")
    read = PRUNERS.get(name)
    if study.is_misspelled("pruner", name, PRUNERS, kind="pruner"):
        settings.skip(settings.given())
    elif read is None:
        study.leave(
            "pruner",
            f"There is no policy like {shown(name)} here; no trial ends early.",
            "Choose median stopping.",
        )
    policy = read(settings) if read else {}
    settings.close("the policy here")
    return policy


def _named(study: Node, key: str) -> tuple[str, Node]:
    """A name, or a mapping with a name and arguments, underscores ignored."""
    value = study.take(key)
    if isinstance(value, str):
        return value, Node({}, study.at(key), study.log)
    given = study.mapping(key, value)
    name_key, name = given.first("name", "type", "class")
    plain = {
        inner.lstrip("_"): item for inner, item in given.entries() if inner != name_key
    }
    arguments = plain.pop("kwargs", plain.pop("attributes", None))
    inside = arguments if isinstance(arguments, Mapping) else {}
    return str(name or ""), Node({**plain, **inside}, study.at(key), study.log)


def _schedule(pruner: Node) -> JSONObject:
    """The number of reports before the first decision, and between decisions."""
    policy: JSONObject = {}
    first, interval = pruner.number("n_warmup_steps"), pruner.number("interval_steps")
    if first:
        # Optuna counts steps from 0.
        policy["delay_evaluation"] = first + 1
    if interval:
        policy["evaluation_interval"] = interval
    return policy


def _rivals(pruner: Node, default: float) -> JSONObject:
    startup = pruner.number("n_startup_trials")
    least = pruner.number("n_min_trials")
    wanted = max(default if startup is None else startup, least or 0, 1)
    return {"min_rivals": wanted}


def _median(pruner: Node) -> JSONObject:
    pruner.log.changed(
        pruner.path,
        "Optuna compares a trial's best value with the others' values at the same "
        "step; here it is compared with their averages up to that step.",
    )
    return {"type": "median_stopping", **_rivals(pruner, 5), **_schedule(pruner)}


def _percentile(pruner: Node) -> JSONObject:
    kept = pruner.number("percentile")
    ended = 100 - (25 if kept is None else kept)
    return {
        "type": "truncation_selection",
        "truncation_percentage": min(max(round(ended), 1), 99),
        **_rivals(pruner, 5),
        **_schedule(pruner),
    }


def _halving(pruner: Node) -> JSONObject:
    first, factor = _resource(pruner, "min_resource"), _factor(pruner, 4)
    delayed = pruner.number("min_early_stopping_rate") or 0
    return asha_policy(
        pruner, (first or 1) * factor ** min(max(delayed, 0), 20), factor
    )


def _hyperband(pruner: Node) -> JSONObject:
    first, last = (_resource(pruner, key) for key in ("min_resource", "max_resource"))
    factor = _factor(pruner, 3)
    return hyperband_policy(pruner, first or 1, factor, last)


def _factor(pruner: Node, default: float) -> float:
    return min(max(pruner.number("reduction_factor") or default, 2), 100)


def _resource(pruner: Node, key: str) -> float | None:
    """A number of reports; None, with a note, for `auto` (the first trial's length)."""
    value = pruner.take(key)
    if value == "auto":
        pruner.leave(key, "The first trial's length does not set it here.")
        return None
    return pruner.as_number(key, value)


def _threshold(pruner: Node) -> JSONObject:
    bounds = {key: pruner.number(key) for key in ("lower", "upper")}
    given: JSONObject = {
        key: bound for key, bound in bounds.items() if bound is not None
    }
    return {"type": "threshold", **given, **_schedule(pruner)}


def _patience(pruner: Node) -> JSONObject:
    pruner.leave("wrapped_pruner", "A trial ends when it no longer improves.")
    delta = pruner.number("min_delta")
    policy: JSONObject = {"type": "patience", "patience": pruner.number("patience")}
    return {**policy, "min_delta": delta} if is_number(delta) and delta else policy


PRUNERS: Mapping[str, Callable[[Node], JSONObject]] = {
    "NopPruner": lambda pruner: {},
    "MedianPruner": _median,
    "PercentilePruner": _percentile,
    "SuccessiveHalvingPruner": _halving,
    "HyperbandPruner": _hyperband,
    "ThresholdPruner": _threshold,
    "PatientPruner": _patience,
}
