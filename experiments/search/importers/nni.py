"""An NNI experiment: its configuration (both versions), or a search space alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from experiments.search.durations import seconds_of
from experiments.search.fields import is_number
from experiments.search.importers import missing
from experiments.search.importers.names import Names
from experiments.search.importers.nni_space import read_space
from experiments.search.importers.policies import halving
from experiments.search.importers.samplings import available, sampled_here
from experiments.search.importers.source import Source, compact, json_value
from experiments.search.problems import shown
from experiments.search.records import JSONValue

Settings: TypeAlias = "dict[str, JSONValue]"
TUNERS: Mapping[str, str] = {
    "random": "random",
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
    "bohb": "bayesian",
}
# What is the same algorithm here and there.
SAME = ("random", "gridsearch", "tpe", "gp", "gptuner")
# What ends trials by successive halving, too.
BRACKETS = ("hyperband", "bohb")
METRIC = "default"
SERVICE = {
    "authorName": "Whoever creates the sweep here is its author.",
    "trainingServicePlatform": "Trials run on the workers of a pool.",
    "trainingService": "Trials run on the workers of a pool.",
    "localConfig": "Trials run on the workers of a pool.",
    "machineList": "Machines join a pool by starting a worker on them.",
    "nniManagerIp": "Workers reach this site by its own address.",
    "debug": "There is no debug mode of a sweep.",
    "logLevel": "The level of the server's log is not a sweep's.",
    "logDir": "Logs are kept on this site.",
    "experimentWorkingDirectory": "Results are kept on this site.",
    "tunerGpuIndices": "The search itself needs no GPU.",
    "sharedStorage": "Artifacts are kept on this site.",
    "versionCheck": "There is no manager with a version of its own.",
}


def read_nni(source: Source, name: str = "") -> dict[str, JSONValue]:
    """The sweep document of an experiment's configuration."""
    v1 = source.inner("trial")
    document: dict[str, JSONValue] = {
        "experiment_name": source.text("experimentName"),
        "trial": _trial(source, v1),
        "search_space": _space(source),
    }
    sampling, goal, policy = _tuner(source)
    document["sampling_algorithm"] = sampling
    document["objective"] = _objective(source, goal)
    document["early_termination"] = _assessor(source) or policy
    document["limits"] = _limits(source, sampling)
    for key, why in SERVICE.items():
        source.leave(key, why)
    v1.close("a trial here")
    source.close("a sweep here")
    return compact(document)


def read_nni_space(source: Source, name: str = "") -> dict[str, JSONValue]:
    """The sweep document around a search space that stands alone."""
    log, why = source.log, "A search space by itself"
    return {
        "trial": {"command": missing.no_command(log, "", f"{why} has no command.")},
        "search_space": read_space(source, Names(log)),
        "objective": {
            "primary_metric": missing.no_metric(
                log, "", f"{why} names no metric.", METRIC
            ),
            "goal": missing.no_goal(log, "", f"{why} has no goal.", "maximize"),
        },
        "limits": missing.limits(
            missing.no_total(log, "", f"{why} has no number of trials."), None
        ),
    }


def _trial(source: Source, v1: Source) -> dict[str, JSONValue]:
    command = source.text("trialCommand") or v1.text("command")
    place = "trial.command" if v1.given() else "trialCommand"
    if command:
        source.log.changed(
            source.at(place),
            "There the script asks nni.get_next_parameter() for its values; here they "
            "follow the command as --name value, unless it names them itself.",
            "The script also finds them as JSON in the variable SWEEPSITE_PARAMS.",
        )
    else:
        why = "The experiment has no trial command."
        command = missing.no_command(source.log, place, why)
    trial: dict[str, JSONValue] = {"command": command}
    code = source.text("trialCodeDirectory") or v1.text("codeDir")
    if code:
        trial["code"] = code
    for part, key in ((source, "trialGpuNumber"), (v1, "gpuNum")):
        if part.take(key) not in (None, 0):
            amount = part.take(key)
            part.leave(
                key,
                f"A trial asks for GPUs: {amount}.",
                f"Set resources.gpus to {amount}, on a pool whose slots have GPUs.",
            )
    return trial


def _space(source: Source) -> JSONValue:
    for key in ("searchSpaceFile", "searchSpacePath"):
        if source.has(key) and not source.has("searchSpace"):
            source.problem(
                key,
                f"The search space is in a file of its own, {shown(source.take(key))}; "
                "put its content here as searchSpace.",
            )
        source.leave(key, "The search space stands in the document itself.")
    if source.take("useAnnotation"):
        source.problem("useAnnotation", "Annotations in code cannot be read from here.")
    space = source.inner("searchSpace")
    if not space.given() and not source.log.findings.problems:
        source.problem("searchSpace", "searchSpace must name at least one parameter.")
    return read_space(space, Names(source.log))


def _named(source: Source, key: str) -> tuple[Source, str, Source]:
    """An algorithm of either version: its mapping, its name and its arguments."""
    algorithm = source.inner(key)
    v1 = f"builtin{key.capitalize()}Name"
    name = algorithm.text("name") or algorithm.text(v1)
    arguments = algorithm.inner("classArgs")
    if algorithm.has("className"):
        name = algorithm.text("className")
    for part in ("codeDir", "codeDirectory", "classFileName", "gpuIndices"):
        algorithm.leave(part, "The search runs on this site, with its own algorithms.")
    return algorithm, name, arguments


def _tuner(source: Source) -> tuple[Settings, str, Settings]:
    """The sampling, the goal, and the policy that Hyperband implies."""
    key = "advisor" if source.has("advisor") else "tuner"
    tuner, name, arguments = _named(source, key)
    goal = arguments.text("optimize_mode").lower()
    plain = name.lower()
    wanted: Settings = {"type": TUNERS.get(plain, "random")}
    seed = arguments.number("seed")
    if seed is not None:
        wanted["seed"] = seed
    place = _place(tuner, key)
    if name and plain not in (*SAME, *BRACKETS):
        sampling = {**wanted, "type": available(TUNERS.get(plain, "random"))}
        tuner.changed(
            place,
            f"There is no tuner {shown(name)} here; {sampling['type']} stands in.",
        )
    else:
        sampling = sampled_here(wanted, source.log, tuner.at(place))
    policy: Settings = {}
    if plain in BRACKETS:
        policy = halving(tuner, 1, arguments.number("eta") or 3)
    arguments.close("the sampling here")
    tuner.close("the sampling here")
    return sampling, goal, policy


def _place(tuner: Source, key: str) -> str:
    """The setting that names an algorithm, in either version."""
    names = ("name", f"builtin{key.capitalize()}Name")
    return next(filter(tuner.has, names), "className")


def _objective(source: Source, goal: str) -> dict[str, JSONValue]:
    why = "NNI's trials report one number without a name."
    metric = missing.no_metric(source.log, "", why, METRIC)
    if not goal:
        why = "The tuner does not say optimize_mode, which means maximize."
        goal = missing.no_goal(source.log, "", why, "maximize")
    return {"primary_metric": metric, "goal": goal}


def _assessor(source: Source) -> Settings:
    if not source.has("assessor"):
        return {}
    assessor, name, arguments = _named(source, "assessor")
    arguments.take("optimize_mode")
    start = arguments.number("start_step")
    policy: Settings = {
        "type": "median_stopping",
        "delay_evaluation": (6 if name.lower() == "curvefitting" else 0)
        if start is None
        else start,
    }
    if name.lower() == "medianstop":
        assessor.log.changed(
            assessor.path,
            "Trials are compared with all others that have come as far, not only with "
            "those that have ended.",
        )
    else:
        assessor.log.changed(
            assessor.path,
            f"There is no assessor {shown(name)} here; median stopping stands in.",
        )
        gap = arguments.number("gap")
        if gap:
            policy["evaluation_interval"] = gap
    arguments.close("a policy here")
    assessor.close("a policy here")
    return policy


def _limits(source: Source, sampling: Settings) -> dict[str, JSONValue]:
    key, value = source.first("maxTrialNumber", "maxTrialNum")
    total = source.as_number(key, value)
    if total is None and sampling["type"] != "grid":
        why = "Without maxTrialNumber, NNI goes on until somebody stops it."
        total = missing.no_total(source.log, key, why)
    limits = missing.limits(total, source.number("trialConcurrency"))
    for ours, names in (
        ("timeout", ("maxExperimentDuration", "maxExecDuration")),
        ("trial_timeout", ("maxTrialDuration",)),
    ):
        key, value = source.first(*names)
        seconds = seconds_of(value) if isinstance(value, str) else value
        if value is not None:
            limits[ours] = json_value(value)
        if is_number(seconds):
            limits[ours] = int(seconds) if float(seconds).is_integer() else seconds
    return limits
