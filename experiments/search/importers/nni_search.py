"""The tuner and the assessor of an NNI experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from experiments.search.importers.policies import brackets, halving
from experiments.search.importers.source import Source
from experiments.search.problems import shown
from experiments.search.records import JSONValue

Settings: TypeAlias = "dict[str, JSONValue]"
TUNERS: Mapping[str, str] = {
    "random": "random",
    "anneal": "tpe",
    "evolution": "tpe",
    "gridsearch": "grid",
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
# What is the same algorithm here and there; batches are the grid of one choice.
SAME = ("random", "gridsearch", "batch", "batchtuner", "tpe", "gp", "gptuner")
# What ends trials by successive halving, too.
BRACKETS = ("hyperband", "bohb")
# What is there as well, and nothing here comes near to.
OTHERS = ("pbt", "pbttuner", "ppo", "ppotuner", "networkmorphism")
ASSESSORS = ("medianstop", "curvefitting")
# Whatever any algorithm is told about how it works inside.
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


def read_tuner(source: Source) -> tuple[Settings, str, Settings]:
    """The sampling, the goal, and the policy that Hyperband implies."""
    key = "advisor" if source.has("advisor") else "tuner"
    tuner, place, arguments = _algorithm(source, key)
    name = tuner.text(place)
    plain = name.lower()
    goal = arguments.text("optimize_mode").lower()
    wanted: Settings = {"type": TUNERS.get(plain, "random")}
    seed = arguments.number("seed")
    if seed is not None:
        wanted["seed"] = seed
    sampling = _sampling(tuner, place, name, wanted)
    source.log.places.put("sampling_algorithm", tuner.at(place))
    fields = {"objective.goal": "optimize_mode", "sampling_algorithm.seed": "seed"}
    arguments.stands("", fields)
    policy = _brackets(tuner, arguments) if plain in BRACKETS else {}
    arguments.close("the sampling here", also=ARGUMENTS)
    tuner.close("the sampling here", also=ALGORITHM)
    return sampling, goal, policy


def _sampling(tuner: Source, place: str, name: str, wanted: Settings) -> Settings:
    """The sampling for a tuner, with a note where it is not the same one."""
    plain, log = name.lower(), tuner.log
    if plain in (*SAME, *BRACKETS):
        return wanted
    known = [*TUNERS, *OTHERS]
    meant = log.meant(name, known) if plain not in known else None
    if meant is not None and place != "className":
        message = f"There is no tuner {shown(name)}; did you mean {meant}?"
        tuner.problem(place, message)
        return wanted
    what = f"There is no tuner {shown(name)} here" if name else "No tuner is named"
    tuner.changed(place, f"{what}; {wanted['type']} stands in.")
    return wanted


def _brackets(tuner: Source, arguments: Source) -> Settings:
    """The policy that an advisor implies; its budget is the length of a trial here."""
    eta, first = arguments.number("eta") or 3, arguments.number("min_budget") or 1
    key = "max_budget" if arguments.has("max_budget") else "R"
    last = arguments.number(key)
    fields = {"max_resource": key, "reduction_factor": "eta"}
    arguments.stands("early_termination", {**fields, "min_resource": "min_budget"})
    if last is None:
        return halving(tuner, first, eta)
    return brackets(tuner, first, eta, last)


def read_assessor(source: Source) -> Settings:
    """The policy of an assessor; empty where there is none."""
    if not source.has("assessor"):
        return {}
    assessor, place, arguments = _algorithm(source, "assessor")
    name = assessor.text(place)
    arguments.take("optimize_mode")
    fields = {"delay_evaluation": "start_step", "evaluation_interval": "gap"}
    arguments.stands("early_termination", fields)
    policy = _rule(assessor, place, name, arguments)
    arguments.close("a policy here", also=ARGUMENTS)
    assessor.close("a policy here", also=ALGORITHM)
    return policy


def _rule(assessor: Source, place: str, name: str, arguments: Source) -> Settings:
    start, plain = arguments.number("start_step"), name.lower()
    first = 6 if plain == "curvefitting" else 0
    policy: Settings = {
        "type": "median_stopping",
        "delay_evaluation": first if start is None else start,
    }
    if plain == "medianstop":
        assessor.log.changed(
            assessor.path,
            "Trials are compared with all others that have come as far, not only with "
            "those that have ended.",
        )
        return policy
    meant = assessor.log.meant(name, ASSESSORS) if plain not in ASSESSORS else None
    if meant is not None and place != "className":
        message = f"There is no assessor {shown(name)}; did you mean {meant}?"
        assessor.problem(place, message)
        return policy
    assessor.log.changed(
        assessor.path,
        f"There is no assessor {shown(name)} here; median stopping stands in.",
    )
    gap = arguments.number("gap")
    return {**policy, "evaluation_interval": gap} if gap else policy


def _algorithm(source: Source, key: str) -> tuple[Source, str, Source]:
    """An algorithm of either version, the key of its name, and its arguments."""
    algorithm = source.inner(key)
    names = ("className", "name", f"builtin{key.capitalize()}Name")
    place = next(filter(algorithm.has, names), names[1])
    for name in names:
        algorithm.take(name)
    for part in ("codeDir", "codeDirectory", "classFileName", "gpuIndices"):
        algorithm.leave(part, "The search runs on this site, with its own algorithms.")
    return algorithm, place, algorithm.inner("classArgs")
