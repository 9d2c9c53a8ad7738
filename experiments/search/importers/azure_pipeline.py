"""An Azure ML pipeline: one of its sweep steps becomes the sweep."""

from __future__ import annotations

import re
from collections.abc import Mapping

from experiments.search.importers.azure import ELSEWHERE, read_azure
from experiments.search.importers.source import Source, compact
from experiments.search.problems import listed
from experiments.search.records import JSONValue

PARENT_INPUT = re.compile(r"\s*\$\{\{\s*parent\.inputs\.(\w+)\s*\}\}\s*")
# The step's own wins over the pipeline's.
SHARED = ("experiment_name", "description", "tags", "compute")
SETTINGS = (
    "component",
    "continue_on_step_failure",
    "continue_run_on_failed_optional_input",
    "default_compute",
    "default_datastore",
    "force_rerun",
    "on_finalize",
    "on_init",
)
PIPELINE = ("component", "services", "source_job_id")


def read_pipeline(source: Source, name: str = "") -> dict[str, JSONValue]:
    """The sweep document of the step with a name, or of the only sweep step."""
    for mark in ("$schema", "type"):
        source.take(mark)
    steps = dict(source.inner("jobs").entries())
    chosen = _chosen(source, steps, name)
    if not chosen:
        source.log.findings.raise_if_any()
    for step in steps:
        if step != chosen:
            source.log.left_out(
                source.at(f"jobs.{step}"),
                f"The step {step} does not belong to the sweep {chosen}.",
                "Run it by itself, before or after the sweep.",
            )
    shared: dict[str, JSONValue] = {}
    source.carry(shared, *SHARED)
    settings = source.inner("settings")
    compute = settings.take("default_compute")
    if compute is not None:
        shared.setdefault("compute", str(compute).removeprefix("azureml:"))
    settings.close("a sweep here", also=SETTINGS)
    shared["display_name"] = source.text("display_name") or chosen
    step_value = _with_inputs(steps.get(chosen), source.inner("inputs"))
    document = read_azure(source.inner("jobs").mapping(chosen, step_value))
    for key in compact(shared):
        if key not in document:
            source.log.places.put(key, source.at(key))
    if "compute" not in document and not source.has("compute"):
        source.log.places.put("compute", settings.at("default_compute"))
    for key in ("name", "properties", "identity"):
        source.leave(key, ELSEWHERE[key])
    source.leave("outputs", "A pipeline's outputs have no counterpart here.")
    source.close("a sweep here", also=PIPELINE)
    return {**compact(shared), **document}


def _chosen(source: Source, steps: Mapping[str, object], name: str) -> str:
    sweeps = [
        step
        for step, value in steps.items()
        if isinstance(value, Mapping)
        and (
            str(value.get("type")).lower().startswith("sweep")
            or value.get("search_space") is not None
        )
    ]
    if name in sweeps or len(sweeps) == 1:
        return name if name in sweeps else sweeps[0]
    source.problem(
        "jobs",
        f"The pipeline has {len(sweeps)} sweep steps, {listed(sweeps)}; say which one "
        "is meant by its name."
        if sweeps
        else "The pipeline has no step of the type sweep.",
    )
    return ""


def _with_inputs(step: object, pipeline: Source) -> object:
    """A step whose references to the pipeline's inputs are their values."""
    values = dict(pipeline.entries())
    if not isinstance(step, Mapping):
        return step
    given = step.get("inputs")
    if not isinstance(given, Mapping):
        given = {}
    inputs, used = {}, set()
    for name, value in given.items():
        match = PARENT_INPUT.fullmatch(value) if isinstance(value, str) else None
        inputs[name] = values.get(match[1], value) if match else value
        used.add(match[1] if match else "")
    for name in values:
        if name not in used:
            pipeline.leave(name, "The sweep step does not use this input.")
    return {**step, "inputs": inputs}
