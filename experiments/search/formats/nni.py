"""An NNI experiment: its configuration (both versions), or a search space alone."""

from __future__ import annotations

from typing import TypeAlias

from experiments.search.document.durations import seconds_of
from experiments.search.fields import is_number, shown
from experiments.search.formats import mapping
from experiments.search.formats.mapping import Names, note_gpus
from experiments.search.formats.nni_search import read_assessor, read_space, read_tuner
from experiments.search.formats.nodes import Node, compact, json_value
from experiments.search.records import JSONValue

Settings: TypeAlias = "dict[str, JSONValue]"
METRIC = "default"
# Fields of our document by the names that they have at NNI.
FIELDS = {
    "experiment_name": "experimentName",
    "trial.command": "trialCommand",
    "trial.code": "trialCodeDirectory",
    "search_space": "searchSpace",
    "limits.max_total_trials": "maxTrialNumber",
    "limits.max_concurrent_trials": "trialConcurrency",
    "limits.timeout": "maxExperimentDuration",
    "limits.trial_timeout": "maxTrialDuration",
}
# Names that the first version has for the same.
OLD_FIELDS = {
    "limits.max_total_trials": "maxTrialNum",
    "limits.timeout": "maxExecDuration",
}
# What both versions know, too: most of it says on what a trial runs.
KNOWN = (
    "advisor",
    "assessor",
    "description",
    "experimentType",
    "frameworkcontrollerConfig",
    "kubeflowConfig",
    "logCollection",
    "multiPhase",
    "multiThread",
    "paiConfig",
    "trial",
    "tuner",
)
TRIAL = (
    "command",
    "codeDir",
    "gpuNum",
    "cpuNum",
    "memoryMB",
    "image",
    "virtualCluster",
    "nasMode",
    "worker",
    "ps",
)
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


def read_nni(source: Node, name: str = "") -> dict[str, JSONValue]:
    """The sweep document of an experiment's configuration."""
    source.record_origin("", FIELDS)
    v1 = source.inner("trial")
    _old_names(source, v1)
    document: dict[str, JSONValue] = {
        "experiment_name": source.text("experimentName"),
        "trial": _trial(source, v1),
        "search_space": _space(source),
    }
    sampling, goal, policy = read_tuner(source)
    document["sampling_algorithm"] = sampling
    document["objective"] = _objective(source, goal)
    document["early_termination"] = read_assessor(source) or policy
    document["limits"] = _limits(source, sampling)
    for key, why in SERVICE.items():
        source.leave(key, why)
    v1.close("a trial here", also=TRIAL)
    source.close("a sweep here", also=KNOWN)
    return compact(document)


def read_nni_space(source: Node, name: str = "") -> dict[str, JSONValue]:
    """The sweep document around a search space that stands alone."""
    log, why = source.log, "A search space by itself"
    return {
        "trial": {"command": mapping.no_command(log, "", f"{why} has no command.")},
        "search_space": read_space(source, Names(log)),
        "objective": {
            "primary_metric": mapping.no_metric(
                log, "", f"{why} names no metric.", METRIC
            ),
            "goal": mapping.no_goal(log, "", f"{why} has no goal.", "maximize"),
        },
        "limits": mapping.limits(
            mapping.no_total(log, "", f"{why} has no number of trials."), None
        ),
    }


def _old_names(source: Node, v1: Node) -> None:
    """Where the fields of the first version's configuration stand."""
    fields = {here: old for here, old in OLD_FIELDS.items() if source.has(old)}
    source.record_origin("", fields)
    for key, here in (("command", "trial.command"), ("codeDir", "trial.code")):
        if v1.has(key):
            source.log.source_map.put(here, v1.at(key))


def _trial(source: Node, v1: Node) -> dict[str, JSONValue]:
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
        command = mapping.no_command(source.log, place, why)
    trial: dict[str, JSONValue] = {"command": command}
    code = source.text("trialCodeDirectory") or v1.text("codeDir")
    if code:
        trial["code"] = code
    for part, key in ((source, "trialGpuNumber"), (v1, "gpuNum")):
        amount = part.take(key)
        if amount not in (None, 0):
            note_gpus(source.log, part.at(key), "A trial", amount)
    return trial


def _space(source: Node) -> JSONValue:
    for key in ("searchSpaceFile", "searchSpacePath"):
        if source.has(key) and not source.has("searchSpace"):
            source.record_origin("", {"search_space": key}, named=False)
            source.problem(
                key,
                f"The search space is in a file of its own, {shown(source.take(key))}; "
                "put its content here as searchSpace.",
            )
        source.leave(key, "The search space stands in the document itself.")
    if source.take("useAnnotation"):
        source.problem("useAnnotation", "Annotations in code cannot be read from here.")
    space = source.inner("searchSpace")
    if not space.given() and not source.log.diagnostics.problems:
        source.problem("searchSpace", "searchSpace must name at least one parameter.")
    return read_space(space, Names(source.log))


def _objective(source: Node, goal: str) -> dict[str, JSONValue]:
    why = "NNI's trials report one number without a name."
    metric = mapping.no_metric(source.log, "", why, METRIC)
    if not goal:
        why = "The tuner does not say optimize_mode, which means maximize."
        goal = mapping.no_goal(source.log, "", why, "maximize")
    return {"primary_metric": metric, "goal": goal}


def _limits(source: Node, sampling: Settings) -> dict[str, JSONValue]:
    key, value = source.first("maxTrialNumber", "maxTrialNum")
    total = source.as_number(key, value)
    if total is None and sampling["type"] != "grid":
        why = "Without maxTrialNumber, NNI goes on until somebody stops it."
        total = mapping.no_total(source.log, key, why)
    limits = mapping.limits(total, source.number("trialConcurrency"))
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
