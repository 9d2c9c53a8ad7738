"""A sweep document as an Azure ML v2 sweep job."""

from __future__ import annotations

import math
from collections.abc import Mapping

from experiments.search.document.yaml import as_yaml
from experiments.search.fields import shown
from experiments.search.formats.export_shared import (
    OURS,
    Law,
    laws_of,
    leave_missing,
    log_base,
    named_command,
    number,
    values_of,
    without_condition,
)
from experiments.search.formats.nodes import Node, compact
from experiments.search.records import JSONValue

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


def export_azure(source: Node) -> str:
    """The YAML text of a sweep job."""
    base = log_base(source)
    sampling = _sampling(source.inner("sampling_algorithm"))
    laws = {
        name: without_condition(source, name, law)
        for name, law in laws_of(source).items()
    }
    job: dict[str, JSONValue] = {"$schema": SCHEMA, "type": "sweep"}
    source.carry(job, "experiment_name", "display_name", "description", "tags")
    job["trial"] = _trial(source, list(laws))
    source.carry(job, "inputs")
    job["search_space"] = {
        name: _law(source, name, law, str(sampling["type"]), base)
        for name, law in laws.items()
    }
    job["sampling_algorithm"] = sampling
    job["objective"] = _objective(source.inner("objective"))
    job["early_termination"] = _policy(source)
    job["limits"] = _limits(source.inner("limits"))
    job["compute"] = _compute(source)
    _leave(source)
    return as_yaml(compact(job))


def _sampling(sampling: Node) -> dict[str, JSONValue]:
    kind = sampling.text("type") or "random"
    if kind == "sobol":
        sampling = sampling.with_values({"type": "random", "rule": "sobol"})
        kind = "random"
    job: dict[str, JSONValue] = {"type": kind if kind in SAMPLINGS else "bayesian"}
    if kind not in SAMPLINGS:
        sampling.changed("type", f"Azure has no sampler {kind}; bayesian stands in.")
    if kind == "random":
        sampling.carry(job, "seed", "rule", "logbase")
    else:
        sampling.leave("seed", f"Azure's {job['type']} sampling takes no seed.")
    sampling.close("Azure's sampling")
    return job


def _law(source: Node, name: str, law: Law, sampling: str, base: float) -> Law:
    job = _natural_law(source, name, law)
    kind = str(job["type"])
    if sampling == "grid" and kind != "choice":
        values = values_of(law, base=base)
        if values is not None:
            _changed(
                source, name, "Azure's grid takes lists only: all values are listed."
            )
            return {"type": "choice", "values": values}
        _changed(source, name, f"Azure's grid takes lists only, not {kind}.")
    elif sampling == "bayesian" and kind not in BAYESIAN:
        _changed(source, name, f"Azure's bayesian sampling does not take {kind}.")
    return job


def _natural_law(source: Node, name: str, law: Law) -> Law:
    """A law in Azure's terms; `int` and `float` are ours."""
    kind = law["type"]
    if kind == "choice":
        return _choice(source, name, law)
    if kind == "int":
        return _whole(source, name, law)
    if kind != "float":
        return law
    low, high = number(law, "low"), number(law, "high")
    if law.get("log"):
        low, high = math.log(low), math.log(high)
        return {"type": "loguniform", "min_value": low, "max_value": high}
    if law.get("step"):
        return _listed(source, name, law)
    return {"type": "uniform", "min_value": low, "max_value": high}


def _whole(source: Node, name: str, law: Law) -> Law:
    low, high = number(law, "low"), number(law, "high")
    step = number(law, "step", 1)
    if low == 0 and step == 1 and not law.get("log"):
        return {"type": "randint", "upper": high + 1}
    return _listed(source, name, law)


def _listed(source: Node, name: str, law: Law) -> Law:
    """All values of a range in a list, or its range where they are too many."""
    values = values_of(law)
    if values is not None:
        likely = " All of them become equally likely." if law.get("log") else ""
        message = f"The range becomes a list of its {len(values)} values.{likely}"
        _changed(source, name, message)
        return {"type": "choice", "values": values}
    low, high = number(law, "low"), number(law, "high")
    step = number(law, "step", 1)
    _changed(source, name, f"The range becomes multiples of {step:g}.")
    if law.get("log"):
        ends = {"min_value": math.log(low), "max_value": math.log(high)}
        return {"type": "qloguniform", **ends, "q": step}
    # Half a step more on either side, so that the ends are as likely as the rest.
    ends = {"min_value": low - step / 2, "max_value": high + step / 2}
    return {"type": "quniform", **ends, "q": step}


def _choice(source: Node, name: str, law: Law) -> Law:
    if law.get("probabilities"):
        source.log.left_out(
            source.at(f"search_space.{name}.probabilities"),
            "Azure's choice has no weights: every value is equally likely.",
        )
    values = law.get("values")
    plain: list[JSONValue] = []
    for value in values if isinstance(values, list) else []:
        if isinstance(value, dict) or (
            isinstance(value, int | float | str) and not isinstance(value, bool)
        ):
            plain.append(value)
        else:
            text = shown(value, most=1_000)
            _changed(source, name, f"The value {shown(value)} becomes text for Azure.")
            plain.append(text)
    return {"type": "choice", "values": plain}


def _changed(source: Node, name: str, message: str) -> None:
    source.log.changed(source.at(f"search_space.{name}"), message)


def _trial(source: Node, names: list[str]) -> dict[str, JSONValue]:
    trial = source.inner("trial")
    command = named_command(source, trial.text("command"), names)
    job: dict[str, JSONValue] = {"command": command}
    code = trial.take("code")
    if isinstance(code, str):
        job["code"] = code
    trial_files = "Put the files into a folder, and its path into code."
    if isinstance(code, Mapping):
        git = "git" in code
        where = "is in a git repository" if git else "is stored on this site"
        trial.leave("code", f"The code {where}.", trial_files)
    trial.carry(job, "environment_variables")
    trial.log.left_out(
        trial.at("environment"),
        "Azure needs an environment, which has no counterpart here.",
        "Name one, such as azureml:NAME@latest.",
    )
    trial.close("Azure's trial")
    return job


def _objective(objective: Node) -> dict[str, JSONValue]:
    job: dict[str, JSONValue] = {}
    objective.carry(job, "primary_metric", "goal")
    objective.leave("target", "Azure does not end a sweep at a value.")
    objective.close("Azure's objective")
    return job


def _policy(source: Node) -> dict[str, JSONValue]:
    if not source.has("early_termination"):
        return {}
    policy = source.inner("early_termination")
    kind = policy.text("type")
    if kind not in POLICIES:
        source.leave(
            "early_termination",
            f"Azure has no policy {kind}; no trial ends early there.",
            "Choose median stopping, bandit or truncation selection.",
        )
        return {}
    job: dict[str, JSONValue] = {"type": kind}
    policy.carry(job, *POLICIES[kind], *SCHEDULE)
    if policy.take("min_rivals") not in (None, 1):
        policy.leave("min_rivals", "Azure compares with however many trials there are.")
    if policy.take("exclude_finished_jobs"):
        policy.leave(
            "exclude_finished_jobs", "Azure compares with finished trials too."
        )
    leave_missing(policy, "Azure")
    policy.close("Azure's policy")
    return job


def _limits(limits: Node) -> dict[str, JSONValue]:
    job: dict[str, JSONValue] = {}
    limits.carry(job, "max_total_trials", "max_concurrent_trials")
    limits.carry(job, "timeout", "trial_timeout")
    for key in ("max_total_trials", "max_concurrent_trials"):
        if number(job, key) > MAX_TRIALS:
            limits.changed(key, f"Azure allows {MAX_TRIALS:,} at the most.")
            job[key] = MAX_TRIALS
    for key in ("timeout", "trial_timeout"):
        if 0 < number(job, key) < MIN_SECONDS:
            limits.changed(key, f"Azure allows {MIN_SECONDS} seconds at the least.")
            job[key] = MIN_SECONDS
        elif isinstance(job.get(key), float):
            job[key] = math.ceil(number(job, key))
    limits.leave("max_failed_trials", "Azure has no brake for failed trials.")
    limits.close("Azure's limits")
    return job


def _compute(source: Node) -> JSONValue:
    pool = source.text("compute") or "default"
    source.changed(
        "compute", f"Azure looks for a compute target with the pool's name, {pool}."
    )
    return f"azureml:{pool.removeprefix('azureml:')}"


def _leave(source: Node) -> None:
    for key, why in OURS.items():
        if source.take(key) not in (None, {"max_attempts": 2}):
            source.leave(key, why)
    resources = source.inner("resources")
    if resources.take("gpus"):
        resources.leave("gpus", "Azure's compute target decides about GPUs.")
    resources.close("Azure's resources")
    source.close("an Azure sweep")
