"""Katib's metrics collectors, both ways."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from experiments.search.document.definition import parse_document
from experiments.search.formats import export_sweep, import_sweep

COLLECTOR = "spec.metricsCollectorSpec"
EXPERIMENT: dict[str, Any] = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "a"},
    "spec": {
        "objective": {"type": "maximize", "objectiveMetricName": "acc"},
        "algorithm": {"algorithmName": "random"},
        "maxTrialCount": 2,
        "parameters": [
            {
                "name": "x",
                "parameterType": "double",
                "feasibleSpace": {"min": "0", "max": "1"},
            }
        ],
        "trialTemplate": {
            "primaryContainerName": "c",
            "trialParameters": [{"name": "x", "reference": "x"}],
            "trialSpec": {
                "kind": "Job",
                "spec": {
                    "template": {
                        "spec": {
                            "containers": [
                                {
                                    "name": "c",
                                    "command": ["t", "--x=${trialParameters.x}"],
                                }
                            ]
                        }
                    }
                },
            },
        },
    },
}


def imported(spec: dict[str, Any]) -> tuple[Any, list[str]]:
    experiment = {
        **EXPERIMENT,
        "spec": {**EXPERIMENT["spec"], "metricsCollectorSpec": spec},
    }
    sweep = import_sweep(yaml.safe_dump(experiment))
    read = parse_document(sweep.document).metrics_collector
    return read, [note.path for note in sweep.notes if COLLECTOR in note.path]


def file(**where: str) -> dict[str, Any]:
    return {"fileSystemPath": {"kind": "File", **where}}


PATTERN = r"\{metricName: ([\w|-]+), metricValue: ((-?\d+)(\.\d+)?)\}"
TWO = {"metricsFormat": [r"(\w+) is (\d+)", r"(\w+)=(\d+)"]}


@pytest.mark.parametrize(
    ("spec", "collector"),
    [
        ({}, None),
        ({"collector": {"kind": "StdOut"}}, None),
        ({"collector": {"kind": "None"}}, {"none": {}}),
        (
            {"source": {"filter": {"metricsFormat": [PATTERN]}}},
            {"stdout": {"format": "regex", "pattern": PATTERN}},
        ),
        (
            {"source": {"filter": TWO}},
            {
                "stdout": {
                    "format": "regex",
                    "pattern": r"(?:(\w+) is (\d+))|(?:(\w+)=(\d+))",
                }
            },
        ),
        (
            {"collector": {"kind": "File"}, "source": file(path="m", format="JSON")},
            {"file": {"path": "m", "format": "json"}},
        ),
        (
            {
                "collector": {"kind": "TensorFlowEvent"},
                "source": {"fileSystemPath": {"kind": "Directory", "path": "logs/"}},
            },
            {"tensorboard": {"path": "logs"}},
        ),
    ],
)
def test_a_collector_of_katib_becomes_ours(
    spec: dict[str, Any], collector: object
) -> None:
    assert imported(spec) == (collector, [])


def test_what_is_left_out_or_changed_is_said() -> None:
    read, notes = imported({"collector": {"kind": "PrometheusMetric"}})
    assert (read, notes) == (None, [f"{COLLECTOR}.collector.kind"])
    events = {"kind": "Directory", "path": "/train"}
    read, notes = imported(
        {
            "collector": {"kind": "TensorFlowEvent"},
            "source": {"fileSystemPath": events},
        }
    )
    assert read == {"tensorboard": {"path": "train"}}
    assert notes == [f"{COLLECTOR}.source.fileSystemPath.path"]


DOCUMENT: dict[str, Any] = {
    "trial": {"command": "t --x ${{search_space.x}}"},
    "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
    "objective": {"primary_metric": "acc", "goal": "maximize"},
    "limits": {"max_total_trials": 2},
}


@pytest.mark.parametrize(
    "collector",
    [
        {"none": {}},
        {"stdout": {"format": "regex", "pattern": r"(\w+) is (\d+)"}},
        {"stdout": {"format": "name_value", "metrics": ["loss"]}},
        {"file": {"path": "m", "format": "json", "metrics": ["loss"]}},
        {"tensorboard": {"path": "logs"}},
    ],
)
def test_a_collector_survives_the_way_to_katib_and_back(
    collector: dict[str, Any],
) -> None:
    definition = parse_document({**DOCUMENT, "metrics_collector": collector})
    text, _ = export_sweep(definition.dump(), "katib")
    assert import_sweep(text).document["metrics_collector"] == collector


@pytest.mark.parametrize("format", ["azure", "wandb"])
def test_other_systems_have_none(format: str) -> None:
    definition = parse_document({**DOCUMENT, "metrics_collector": "none"})
    _, notes = export_sweep(definition.dump(), format)
    assert "metrics_collector" in [note.path for note in notes]
