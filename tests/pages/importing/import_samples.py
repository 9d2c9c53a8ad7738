"""Sweeps of other systems as people have them, for the tests of what reads them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

WANDB = """\
program: train.py
method: random
metric:
  name: val_acc
  goal: maximize
run_cap: 20
parameters:
  lr:
    distribution: log_uniform_values
    min: 0.0001
    max: 0.1
  optimizer:
    values: [sgd, adam]
    probabilities: [0.7, 0.3]
  epochs:
    value: 27
description: <script>alert("x")</script>
entity: us
"""
AZURE = """\
type: sweep
trial:
  code: ./src
  command: python fit.py --x ${{search_space.x}}
  environment: azureml:sklearn:1
search_space:
  x: {type: uniform, min_value: 0, max_value: 1}
sampling_algorithm: random
objective: {goal: minimize, primary_metric: loss}
limits: {max_total_trials: 10}
compute: azureml:gpu-cluster
"""
KATIB = """\
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {name: wine}
spec:
  objective: {type: maximize, objectiveMetricName: accuracy}
  algorithm: {algorithmName: random}
  parallelTrialCount: 3
  maxTrialCount: 12
  parameters:
    - {name: lr, parameterType: double, feasibleSpace: {min: "0.01", max: "0.05"}}
  trialTemplate:
    primaryContainerName: training
    trialParameters: [{name: rate, reference: lr}]
    trialSpec:
      kind: Job
      spec:
        template:
          spec:
            containers:
              - name: training
                command: [python3, wine.py, "--lr=${trialParameters.rate}"]
"""
NNI = """\
searchSpace:
  lr: {_type: uniform, _value: [0, 1]}
trialCommand: python3 wine.py
trialConcurrency: 2
maxTrialNumber: 30
tuner: {name: Random, classArgs: {optimize_mode: maximize}}
"""
ARTICLE = """\
param_sampling = RandomParameterSampling({
    "learning_rate": normal(10, 3),
    "keep_probability": uniform(0.05, 0.1),
    "batch_size": choice(16, 32, 64, 128)
})
"""
PIPELINE = """\
type: pipeline
jobs:
  first:
    type: sweep
    trial: {command: "python a.py --x ${{search_space.x}}"}
    search_space: {x: {type: choice, values: [1, 2]}}
    objective: {goal: minimize, primary_metric: loss}
    limits: {max_total_trials: 2}
  second:
    type: sweep
    trial: {command: "python b.py --x ${{search_space.x}}"}
    search_space: {x: {type: choice, values: [3, 4]}}
    objective: {goal: minimize, primary_metric: loss}
    limits: {max_total_trials: 2}
"""
X = {"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}}


def study(*values: float | None) -> str:
    """An Optuna study as JSON; a trial without a value has failed."""
    trials = [
        {
            "number": number,
            "state": "FAIL" if value is None else "COMPLETE",
            "values": None if value is None else [value],
            "params": {"x": number / 10},
            "distributions": {"x": X},
        }
        for number, value in enumerate(values)
    ]
    given = {"study_name": "wine", "directions": ["MAXIMIZE"], "trials": trials}
    return json.dumps(given)


SCHEMA = """
CREATE TABLE studies (study_id INTEGER PRIMARY KEY, study_name VARCHAR(512));
CREATE TABLE study_directions (direction VARCHAR(8), study_id INTEGER, objective INT);
CREATE TABLE trials (trial_id INTEGER PRIMARY KEY, study_id INTEGER, state VARCHAR(8));
CREATE TABLE trial_params (
  trial_id INTEGER, param_name VARCHAR(512), param_value FLOAT, distribution_json TEXT);
CREATE TABLE trial_values (trial_id INTEGER, objective INTEGER, value FLOAT);
"""


def storage(path: Path, *studies: str, trials: int = 3) -> bytes:
    """A storage file with studies of completed trials, the later the better."""
    database = sqlite3.connect(path)
    database.executescript(SCHEMA)
    law = json.dumps(X)
    for place, name in enumerate(studies):
        database.execute("INSERT INTO studies VALUES (?, ?)", (place, name))
        database.execute(
            "INSERT INTO study_directions VALUES ('MAXIMIZE', ?, 0)", (place,)
        )
        for number in range(trials):
            trial = place * trials + number
            database.execute(
                "INSERT INTO trials VALUES (?, ?, 'COMPLETE')", (trial, place)
            )
            database.execute(
                "INSERT INTO trial_params VALUES (?, 'x', ?, ?)",
                (trial, number / 10, law),
            )
            database.execute(
                "INSERT INTO trial_values VALUES (?, 0, ?)", (trial, number / 4)
            )
    database.commit()
    database.close()
    return path.read_bytes()
