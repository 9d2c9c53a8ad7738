"""The tuner, the assessor and the search space of an NNI experiment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import TypeAlias

from experiments.search.fields import shown, unknown_name
from experiments.search.formats.mapping import (
    MAX_NAME_LENGTH,
    Names,
    hyperband_policy,
    stepped_log,
)
from experiments.search.formats.nodes import Node, json_value
from experiments.search.records import JSONObject, JSONValue

TUNERS: Mapping[str, str] = {
    "random": "random",
    "anneal": "tpe",
    "evolution": "tpe",
    "gridsearch": "grid",
    "grid": "grid",
    "batchtuner": "grid",
    "batch": "grid",
    "tpe": "tpe",
    "gp": "bayesian",
    "gptuner": "bayesian",
    "metis": "bayesian",
    "metistuner": "bayesian",
    "smac": "bayesian",
    "dngo": "bayesian",
    "dngotuner": "bayesian",
    "hyperband": "random",
    "bohb": "tpe",
}
# The same algorithm in both systems; a batch is the grid of one choice.
SAME = ("random", "gridsearch", "grid", "batch", "batchtuner", "tpe", "gp", "gptuner")
# These also end trials by successive halving.
HALVING = ("hyperband", "bohb")
# NNI's algorithms that no sampler here resembles.
OTHERS = ("pbt", "pbttuner", "ppo", "ppotuner", "networkmorphism")
ASSESSORS = ("medianstop", "curvefitting")
# Arguments of all algorithms.
ARGUMENTS = (
    "all_checkpoint_dir",
    "alpha",
    "bandwidth_factor",
    "cold_start_num",
    "config_dedup",
    "config_space",
    "eta",
    "epoch_num",
    "exec_mode",
    "exploration_probability",
    "factor",
    "fail_trial",
    "gap",
    "kappa",
    "max_budget",
    "min_bandwidth",
    "min_budget",
    "min_points_in_model",
    "no_candidates",
    "no_resampling",
    "nu",
    "num_epochs_per_training",
    "num_samples",
    "optimize_mode",
    "population_size",
    "R",
    "random_fraction",
    "resample_probability",
    "sample_size",
    "seed",
    "selection_num_starting_points",
    "selection_num_warm_up",
    "start_step",
    "threshold",
    "top_n_percent",
    "tpe_args",
    "trials_per_update",
    "utility",
    "xi",
)
ALGORITHM = (
    "classArgs",
    "className",
    "classFileName",
    "codeDir",
    "codeDirectory",
    "gpuIndices",
    "gpuNum",
    "includeIntermediateResults",
    "name",
)
Numbers: TypeAlias = "list[float]"
MAX_DEPTH = 6
# The number of arguments of each type.
SPACE_ARGUMENTS = {
    "randint": 2,
    "uniform": 2,
    "quniform": 3,
    "loguniform": 2,
    "qloguniform": 3,
    "normal": 2,
    "qnormal": 3,
    "lognormal": 2,
    "qlognormal": 3,
}
# All numbers of a distribution are in one list.
PLACES = {
    "values": "_value",
    **dict.fromkeys(("low", "high", "min_value", "max_value"), "_value"),
    **dict.fromkeys(("mu", "sigma", "q"), "_value"),
}
KEYS = ("_type", "_value")
FIELDS = {
    "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"),
    "qlognormal": ("mu", "sigma", "q"),
    "uniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"),
}


def read_tuner(source: Node) -> tuple[JSONObject, str, JSONObject]:
    """The sampling, the goal, and the policy that Hyperband implies."""
    key = "advisor" if source.has("advisor") else "tuner"
    tuner, place, arguments = _algorithm(source, key)
    name = tuner.text(place)
    plain = name.lower()
    goal = arguments.text("optimize_mode").lower()
    wanted: JSONObject = {"type": TUNERS.get(plain, "random")}
    seed = arguments.number("seed")
    if seed is not None:
        wanted["seed"] = seed
    sampling = _sampling(tuner, place, name, wanted)
    source.log.source_map.put("sampling_algorithm", tuner.at(place))
    fields = {"objective.goal": "optimize_mode", "sampling_algorithm.seed": "seed"}
    arguments.record_origin("", fields)
    policy = _hyperband(tuner, arguments) if plain in HALVING else {}
    arguments.close("the sampling here", also=ARGUMENTS)
    tuner.close("the sampling here", also=ALGORITHM)
    return sampling, goal, policy


def _sampling(tuner: Node, place: str, name: str, wanted: JSONObject) -> JSONObject:
    """The sampling for a tuner, with a note if it is another algorithm."""
    plain = name.lower()
    if plain in (*SAME, *HALVING):
        return wanted
    known = [*TUNERS, *OTHERS]
    is_ours = plain in known or place == "className"
    if not is_ours and tuner.is_misspelled(place, name, known, kind="tuner"):
        return wanted
    what = f"There is no tuner {shown(name)} here" if name else "There is no tuner"
    tuner.changed(place, f"{what}; {wanted['type']} is used instead.")
    return wanted


def _hyperband(tuner: Node, arguments: Node) -> JSONObject:
    """The policy that an advisor implies; its budget is a trial's length here."""
    eta, first = arguments.number("eta") or 3, arguments.number("min_budget") or 1
    key = "max_budget" if arguments.has("max_budget") else "R"
    last = arguments.number(key)
    fields = {"max_resource": key, "reduction_factor": "eta"}
    arguments.record_origin(
        "early_termination", {**fields, "min_resource": "min_budget"}
    )
    return hyperband_policy(tuner, first, eta, last)


def read_assessor(source: Node) -> JSONObject:
    """The policy of an assessor; empty where there is none."""
    if not source.has("assessor"):
        return {}
    assessor, place, arguments = _algorithm(source, "assessor")
    name = assessor.text(place)
    arguments.take("optimize_mode")
    fields = {"delay_evaluation": "start_step", "evaluation_interval": "gap"}
    arguments.record_origin("early_termination", fields)
    policy = _rule(assessor, place, name, arguments)
    arguments.close("a policy here", also=ARGUMENTS)
    assessor.close("a policy here", also=ALGORITHM)
    return policy


def _rule(assessor: Node, place: str, name: str, arguments: Node) -> JSONObject:
    start, plain = arguments.number("start_step"), name.lower()
    first = 6 if plain == "curvefitting" else 0
    policy: JSONObject = {
        "type": "median_stopping",
        "delay_evaluation": first if start is None else start,
    }
    if plain == "medianstop":
        assessor.log.changed(
            assessor.path,
            "Trials are compared with all others at the same report, not only with "
            "finished ones.",
        )
        return policy
    is_ours = plain in ASSESSORS or place == "className"
    if not is_ours and assessor.is_misspelled(place, name, ASSESSORS, kind="assessor"):
        return policy
    assessor.log.changed(
        assessor.path,
        f"There is no assessor {shown(name)} here; median stopping is used instead.",
    )
    gap = arguments.number("gap")
    return {**policy, "evaluation_interval": gap} if gap else policy


def _algorithm(source: Node, key: str) -> tuple[Node, str, Node]:
    """An algorithm of either version, the key of its name, and its arguments."""
    algorithm = source.inner(key)
    names = ("className", "name", f"builtin{key.capitalize()}Name")
    place = next(filter(algorithm.has, names), names[1])
    for name in names:
        algorithm.take(name)
    for part in ("codeDir", "codeDirectory", "classFileName", "gpuIndices"):
        algorithm.leave(part, "The search runs on this site, with its algorithms.")
    return algorithm, place, algorithm.inner("classArgs")


def read_space(source: Node, names: Names) -> JSONObject:
    """The search space, nested choices as conditions."""
    return dict(_parameters(source, names, "", None, 0))


def _parameters(
    source: Node, names: Names, prefix: str, when: JSONValue, depth: int
) -> Iterator[tuple[str, JSONValue]]:
    for given, value in source.entries():
        if given == "_name":
            continue
        item = source.mapping(given, value)
        if not isinstance(value, Mapping):
            continue
        name = names.give_another(f"{prefix}{given}", source.at(given))
        item.record_origin(f"search_space.{name}", PLACES, named=False)
        kind = item.text("_type")
        if kind == "choice":
            yield from _choice(item, names, name, when, depth)
        else:
            dist = _distribution(item, kind)
            yield name, {**dist, "when": when} if when else dist
        item.close("a distribution here", also=KEYS)


def _choice(
    item: Node, names: Names, name: str, when: JSONValue, depth: int
) -> Iterator[tuple[str, JSONValue]]:
    values: list[JSONValue] = []
    branches: list[tuple[str, Node]] = []
    for index, value in enumerate(item.items("_value")):
        if _is_branch(value) and depth < MAX_DEPTH:
            branch = item.mapping(f"_value.{index}", value)
            label = branch.text("_name") or f"option_{index}"
            if len(label) > MAX_NAME_LENGTH:
                branch.problem(
                    "_name", f"A name may have up to {MAX_NAME_LENGTH} characters."
                )
                continue
            values.append(label)
            branches.append((label, branch))
        else:
            _refuse_old_branch(item, index, value)
            values.append(json_value(value))
    dist: JSONObject = {"type": "choice", "values": values}
    yield name, {**dist, "when": when} if when else dist
    counts = Counter(key for _, branch in branches for key in branch.given())
    for label, branch in branches:
        is_shared = any(counts[key] > 1 for key in branch.given() if key != "_name")
        prefix = f"{name}_{label}_" if is_shared else f"{name}_"
        when_here: JSONValue = {name: [label]}
        _note_branch(branch, prefix, name, label)
        yield from _parameters(branch, names, prefix, when_here, depth + 1)


def _is_branch(value: object) -> bool:
    """Whether a value of a choice has parameters. Without any and without a name, it is
    a whole configuration, as for the batch tuner."""
    if not isinstance(value, Mapping):
        return False
    return "_name" in value or any(isinstance(x, Mapping) for x in value.values())


def _refuse_old_branch(item: Node, index: int, value: object) -> None:
    """Note a problem for `["Conv", {"_type": …}]`, a branch of NNI's first versions."""
    parts = value if isinstance(value, list) else []
    if any(isinstance(part, Mapping) and "_type" in part for part in parts):
        item.problem(
            f"_value.{index}",
            "Parameters inside a value need names: write it as "
            '{"_name": "Conv", "size": {"_type": ...}}.',
        )


def _note_branch(branch: Node, prefix: str, name: str, label: str) -> None:
    if [key for key in branch.given() if key != "_name"]:
        branch.log.changed(
            branch.path,
            f"The parameters below {shown(label)} become {prefix}NAME, and have a "
            f"value only when {name} is {shown(label)}.",
        )


def _distribution(item: Node, kind: str) -> JSONObject:
    if kind not in SPACE_ARGUMENTS:
        message = unknown_name(kind, ["choice", *SPACE_ARGUMENTS], kind="_type")
        item.problem("_type", message)
        item.take("_value")
        return {}
    given = item.items("_value")
    if kind == "randint" and len(given) == 1:
        given = [0, *given]
    numbers = [item.as_number("_value", value) for value in given]
    if len(numbers) != SPACE_ARGUMENTS[kind]:
        item.problem(
            "_value",
            f"{kind} needs {SPACE_ARGUMENTS[kind]} numbers in _value, "
            f"not {len(numbers)}.",
        )
        return {}
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or not _are_in_range(item, kind, known):
        return {}
    return READERS.get(kind, _plain)(item, kind, known)


def _are_in_range(item: Node, kind: str, numbers: Numbers) -> bool:
    """Whether bounds are in order and, for a logarithm, above 0; if not, a problem."""
    if "normal" in kind:
        return True
    low, high = numbers[:2]
    if "log" in kind and low <= 0:
        item.problem("_value", f"The bounds of {kind} must be above 0, not {low:g}.")
    elif low > high or (low == high and kind != "qloguniform"):
        item.problem(
            "_value",
            f"The upper bound of {kind} must be above the lower one, {low:g}, not "
            f"{high:g}.",
        )
    else:
        return True
    return False


def _plain(item: Node, kind: str, numbers: Numbers) -> JSONObject:
    if kind == "quniform":
        _check_ends(item, numbers)
    pairs = zip(FIELDS[kind], numbers, strict=True)
    return {"type": kind, **dict(pairs)}


def _randint(item: Node, kind: str, numbers: Numbers) -> JSONObject:
    return {"type": "int", "low": numbers[0], "high": numbers[1] - 1}


def _log(item: Node, kind: str, numbers: Numbers) -> JSONObject:
    return {"type": "float", "low": numbers[0], "high": numbers[1], "log": True}


def _qloguniform(item: Node, kind: str, numbers: Numbers) -> JSONObject:
    _check_ends(item, numbers)
    return stepped_log(*numbers)


def _check_ends(item: Node, numbers: Numbers) -> None:
    """Note bounds that are not multiples of q: NNI cuts values off there."""
    low, high, step = numbers
    if step > 0:
        parts = [Fraction(repr(bound)) / Fraction(repr(step)) for bound in (low, high)]
        if any(part.denominator > 1 for part in parts):
            item.changed(
                "_value",
                f"Bounds that are not multiples of {step:g} are never drawn here.",
            )


READERS: Mapping[str, Callable[[Node, str, Numbers], JSONObject]] = {
    "randint": _randint,
    "loguniform": _log,
    "qloguniform": _qloguniform,
}
