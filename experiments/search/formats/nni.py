"""An NNI experiment: its configuration (both versions), or a search space alone."""

from __future__ import annotations

from experiments.search.document.durations import seconds_of
from experiments.search.document.loading import load_document
from experiments.search.fields import DefinitionError, is_number, shown
from experiments.search.formats import mapping
from experiments.search.formats.mapping import Names, leave_gpus
from experiments.search.formats.nni_search import read_assessor, read_space, read_tuner
from experiments.search.formats.nodes import Node, compact, json_value
from experiments.search.records import JSONObject, JSONValue

METRIC = "default"
# Where the fields of our document are in NNI's.
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
# Their names in the first version.
OLD_FIELDS = {
    "limits.max_total_trials": "maxTrialNum",
    "limits.timeout": "maxExecDuration",
}
# Other keys of both versions; most of them say where a trial runs.
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
UNSUPPORTED = {
    "authorName": "The user who creates the sweep is its author.",
    "trainingServicePlatform": "Trials run on the workers of a pool.",
    "trainingService": "Trials run on the workers of a pool.",
    "localConfig": "Trials run on the workers of a pool.",
    "machineList": "Start a worker on a machine to add it to a pool.",
    "nniManagerIp": "Workers use this site's address.",
    "debug": "A sweep has no debug mode.",
    "logLevel": "A sweep has no log level.",
    "logDir": "Logs are kept on this site.",
    "experimentWorkingDirectory": "Results are kept on this site.",
    "tunerGpuIndices": "The search itself needs no GPU.",
    "sharedStorage": "Artifacts are kept on this site.",
    "versionCheck": "There is no separate manager with its own version.",
}


def read_nni(source: Node, name: str = "") -> JSONObject:
    """The sweep document of an experiment's configuration."""
    source.record_origin("", FIELDS)
    v1 = source.inner("trial")
    _old_names(source, v1)
    document: JSONObject = {
        "experiment_name": source.text("experimentName"),
        "trial": _trial(source, v1),
        "search_space": _space(source),
    }
    sampling, goal, policy = read_tuner(source)
    document["sampling_algorithm"] = sampling
    document["objective"] = _objective(source, goal)
    document["early_termination"] = read_assessor(source) or policy
    document["limits"] = _limits(source, sampling)
    for key, why in UNSUPPORTED.items():
        source.leave(key, why)
    v1.close("a trial here", also=TRIAL)
    source.close("a sweep here", also=KNOWN)
    return compact(document)


def read_nni_space(source: Node, name: str = "") -> JSONObject:
    """The sweep document around a search space alone."""
    log, why = source.log, "A search space alone"
    return {
        "trial": {
            "command": mapping.default_command(log, "", f"{why} has no command.")
        },
        "search_space": read_space(source, Names(log)),
        "objective": {
            "primary_metric": mapping.default_metric(
                log, "", f"{why} has no metric.", METRIC
            ),
            "goal": mapping.default_goal(log, "", f"{why} has no goal.", "maximize"),
        },
        "limits": mapping.limits_of(
            mapping.default_total(log, "", f"{why} has no number of trials."), None
        ),
    }


def _old_names(source: Node, v1: Node) -> None:
    """Record where the fields are in a configuration of the first version."""
    fields = {here: old for here, old in OLD_FIELDS.items() if source.has(old)}
    source.record_origin("", fields)
    for key, here in (("command", "trial.command"), ("codeDir", "trial.code")):
        if v1.has(key):
            source.log.source_map.put(here, v1.at(key))


def _trial(source: Node, v1: Node) -> JSONObject:
    command = source.text("trialCommand") or v1.text("command") or _workers(v1)
    place = "trial.command" if v1.given() else "trialCommand"
    if command:
        source.log.changed(
            source.at(place),
            "In NNI the script calls nni.get_next_parameter() for its values; here "
            "they are added to the command as --name value, if it has no placeholders.",
            "Parse the options, or read SWEEPSITE_PARAMS, which has them as JSON.",
        )
    else:
        why = "The experiment has no trial command."
        command = mapping.default_command(source.log, place, why)
    trial: JSONObject = {"command": command}
    code = source.text("trialCodeDirectory") or v1.text("codeDir")
    trial |= {"code": code} if code else mapping.code_beside(source.log, command)
    for part, key in ((source, "trialGpuNumber"), (v1, "gpuNum")):
        amount = part.take(key)
        if amount not in (None, 0):
            leave_gpus(source.log, part.at(key), "A trial", amount)
    return trial


def _workers(v1: Node) -> str:
    """The command of a distributed trial's workers, "" if there are none."""
    for role in ("worker", "master"):
        worker = v1.inner(role)
        if command := worker.text("command"):
            v1.changed(
                role, f"Here a trial is one process, with the command of its {role}."
            )
            worker.close("a trial here")
            return command
    return ""


def _space(source: Node) -> JSONValue:
    for key in ("searchSpaceFile", "searchSpacePath"):
        if source.has(key) and not source.has("searchSpace"):
            source.record_origin("", {"search_space": key}, named=False)
            return read_space(_space_beside(source, key), Names(source.log))
        source.leave(key, "The search space is in the document itself.")
    if source.take("useAnnotation"):
        source.problem("useAnnotation", "This site cannot read annotations in code.")
    space = source.inner("searchSpace")
    if not space.given() and not source.log.diagnostics.problems:
        source.problem("searchSpace", "searchSpace must have at least one parameter.")
    return read_space(space, Names(source.log))


def _space_beside(source: Node, key: str) -> Node:
    """The search space of the file that a key names."""
    name = source.text(key)
    found = source.log.beside(name)
    if found is None:
        source.problem(
            key,
            f"The search space is in another file, {shown(name)}. Choose both files"
            " together, or paste its content here as searchSpace.",
        )
        return Node({}, source.at(key), source.log)
    try:
        return source.mapping(key, load_document(found))
    except DefinitionError as error:
        message = f"{shown(name)} cannot be read. {error.problems[0].message}"
        source.problem(key, message)
        return Node({}, source.at(key), source.log)


def _objective(source: Node, goal: str) -> JSONObject:
    why = "NNI's trials report a number without a name."
    metric = mapping.default_metric(source.log, "", why, METRIC)
    if not goal:
        why = "The tuner has no optimize_mode, which means maximize."
        goal = mapping.default_goal(source.log, "", why, "maximize")
    return {"primary_metric": metric, "goal": goal}


def _limits(source: Node, sampling: JSONObject) -> JSONObject:
    key, value = source.first("maxTrialNumber", "maxTrialNum")
    total = source.as_number(key, value)
    if total is None and sampling["type"] != "grid":
        why = "Without maxTrialNumber, NNI runs until you stop it."
        total = mapping.default_total(source.log, key, why)
    limits = mapping.limits_of(total, source.number("trialConcurrency"))
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
