"""A sweep document as an Azure ML v2 sweep job."""

from __future__ import annotations

import math
from collections.abc import Mapping

from experiments.search.document.yaml import as_yaml
from experiments.search.fields import shown
from experiments.search.formats.export_shared import (
    complete_command,
    distributions_of,
    ends_of,
    leave_missing,
    leave_ours,
    leave_weights,
    listed_values,
    log_base,
    note_change,
    number,
    values_of,
)
from experiments.search.formats.nodes import Node, compact
from experiments.search.records import JSONObject, JSONValue

SCHEMA = "https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json"
SAMPLINGS = ("random", "grid", "bayesian")
BAYESIAN = ("choice", "uniform", "quniform")
POLICIES = {
    "bandit": ("slack_factor", "slack_amount"),
    "median_stopping": (),
    "truncation_selection": ("truncation_percentage",),
}
SCHEDULE = ("evaluation_interval", "delay_evaluation")
MAX_TRIALS = 1_000
MIN_SECONDS = 60


def export_azure(document: Node) -> str:
    """The YAML text of a sweep job."""
    base = log_base(document)
    sampling = _sampling(document.inner("sampling_algorithm"))
    # Azure has logbase too, so logarithms stay as they are.
    distributions = distributions_of(document)
    job: JSONObject = {"$schema": SCHEMA, "type": "sweep"}
    document.carry(job, "experiment_name", "display_name", "description", "tags")
    job["trial"] = _trial(document, list(distributions))
    document.carry(job, "inputs")
    job["search_space"] = {
        name: _distribution(document, name, dist, str(sampling["type"]), base)
        for name, dist in distributions.items()
    }
    job["sampling_algorithm"] = sampling
    job["objective"] = _objective(document.inner("objective"))
    job["early_termination"] = _policy(document)
    job["limits"] = _limits(document.inner("limits"))
    job["compute"] = _compute(document)
    leave_ours(
        document,
        gpus="Azure's compute target decides the GPUs.",
        where="an Azure sweep",
    )
    return as_yaml(compact(job))


def _sampling(sampling: Node) -> JSONObject:
    kind = sampling.text("type") or "random"
    if kind == "sobol":
        sampling = sampling.with_values({"type": "random", "rule": "sobol"})
        kind = "random"
    job: JSONObject = {"type": kind if kind in SAMPLINGS else "bayesian"}
    if kind not in SAMPLINGS:
        message = f"Azure has no sampler {kind}; bayesian is used instead."
        sampling.changed("type", message)
    if kind == "random":
        sampling.carry(job, "seed", "rule", "logbase")
    else:
        sampling.leave("seed", f"Azure's {job['type']} sampling takes no seed.")
    sampling.close("Azure's sampling")
    return job


def _distribution(
    document: Node, name: str, dist: JSONObject, sampling: str, base: float
) -> JSONObject:
    job = _azure_distribution(document, name, dist)
    kind = str(job["type"])
    if sampling == "grid" and kind != "choice":
        values = values_of(dist, base=base)
        if values is not None:
            message = "Azure's grid accepts lists only: all values are listed."
            note_change(document, name, message)
            return {"type": "choice", "values": values}
        note_change(document, name, f"Azure's grid accepts lists only, not {kind}.")
    elif sampling == "bayesian" and kind not in BAYESIAN:
        message = f"Azure's bayesian sampling does not accept {kind}."
        note_change(document, name, message)
    return job


def _azure_distribution(document: Node, name: str, dist: JSONObject) -> JSONObject:
    """A distribution in Azure's terms, which have no `int` and no `float`."""
    kind = dist["type"]
    if kind == "choice":
        return _choice(document, name, dist)
    if kind not in ("int", "float"):
        return dist
    low, high = ends_of(dist)
    if kind == "float" and dist.get("log"):
        low, high = math.log(low), math.log(high)
        return {"type": "loguniform", "min_value": low, "max_value": high}
    if kind == "float" and not dist.get("step"):
        return {"type": "uniform", "min_value": low, "max_value": high}
    counts_from_0 = low == 0 and number(dist, "step", 1) == 1 and not dist.get("log")
    if kind == "int" and counts_from_0:
        return {"type": "randint", "upper": high + 1}
    return _listed(document, name, dist)


def _listed(document: Node, name: str, dist: JSONObject) -> JSONObject:
    """All values of a range in a list, or a stepped range where they are too many."""
    values = listed_values(document, name, dist)
    if values is not None:
        return {"type": "choice", "values": values}
    low, high = ends_of(dist)
    step = number(dist, "step", 1)
    note_change(document, name, f"The range becomes multiples of {step:g}.")
    if dist.get("log"):
        ends = {"min_value": math.log(low), "max_value": math.log(high)}
        return {"type": "qloguniform", **ends, "q": step}
    # Half a step more on either side, so that the ends are as likely as the rest.
    ends = {"min_value": low - step / 2, "max_value": high + step / 2}
    return {"type": "quniform", **ends, "q": step}


def _choice(document: Node, name: str, dist: JSONObject) -> JSONObject:
    leave_weights(document, name, dist, "Azure")
    values = dist.get("values")
    plain: list[JSONValue] = []
    for value in values if isinstance(values, list) else []:
        if isinstance(value, dict | int | float | str) and not isinstance(value, bool):
            plain.append(value)
        else:
            message = f"The value {shown(value)} becomes text for Azure."
            note_change(document, name, message)
            plain.append(shown(value, most=1_000))
    return {"type": "choice", "values": plain}


def _trial(document: Node, names: list[str]) -> JSONObject:
    trial = document.inner("trial")
    command = complete_command(document, trial.text("command"), names)
    job: JSONObject = {"command": command}
    code = trial.take("code")
    if isinstance(code, str):
        job["code"] = code
    elif isinstance(code, Mapping):
        where = "in a git repository" if "git" in code else "stored on this site"
        advice = "Put the files into a folder and set code to its path."
        trial.leave("code", f"The code is {where}.", advice)
    trial.carry(job, "environment_variables")
    trial.log.left_out(
        trial.at("environment"),
        "Azure needs an environment, which this site does not have.",
        "Name one, such as azureml:NAME@latest.",
    )
    trial.close("Azure's trial")
    return job


def _objective(objective: Node) -> JSONObject:
    job: JSONObject = {}
    objective.carry(job, "primary_metric", "goal")
    objective.leave("target", "Azure does not end a sweep when it reaches a value.")
    objective.close("Azure's objective")
    return job


def _policy(document: Node) -> JSONObject:
    if not document.has("early_termination"):
        return {}
    policy = document.inner("early_termination")
    kind = policy.text("type")
    if kind not in POLICIES:
        document.leave(
            "early_termination",
            f"Azure has no policy {kind}; no trial ends early there.",
            "Choose median stopping, bandit or truncation selection.",
        )
        return {}
    job: JSONObject = {"type": kind}
    policy.carry(job, *POLICIES[kind], *SCHEDULE)
    if policy.take("min_rivals") not in (None, 1):
        policy.leave("min_rivals", "Azure compares with any number of trials.")
    if policy.take("exclude_finished_jobs"):
        message = "Azure compares with finished trials too."
        policy.leave("exclude_finished_jobs", message)
    leave_missing(policy, "Azure")
    policy.close("Azure's policy")
    return job


def _limits(limits: Node) -> JSONObject:
    job: JSONObject = {}
    limits.carry(job, "max_total_trials", "max_concurrent_trials")
    limits.carry(job, "timeout", "trial_timeout")
    for key in ("max_total_trials", "max_concurrent_trials"):
        if number(job, key) > MAX_TRIALS:
            limits.changed(key, f"Azure allows at most {MAX_TRIALS:,}.")
            job[key] = MAX_TRIALS
    for key in ("timeout", "trial_timeout"):
        if 0 < number(job, key) < MIN_SECONDS:
            limits.changed(key, f"Azure allows at least {MIN_SECONDS} seconds.")
            job[key] = MIN_SECONDS
        elif isinstance(job.get(key), float):
            job[key] = math.ceil(number(job, key))
    limits.leave("max_failed_trials", "Azure does not pause after failed trials.")
    limits.close("Azure's limits")
    return job


def _compute(document: Node) -> JSONValue:
    pool = document.text("compute") or "default"
    message = f"Azure needs a compute target named like the pool, {pool}."
    document.changed("compute", message)
    return f"azureml:{pool.removeprefix('azureml:')}"
