"""The names of Azure's v1 SDK for sweeps, run on a sweepsite.

from sweepsite_client.hyperdrive import *      # was: azureml.train.hyperdrive …

workspace = Workspace.from_config()            # the site of SWEEPSITE_URL or login
config = HyperDriveConfig(
    run_config=ScriptRunConfig(source_directory="src", script="train.py"),
    hyperparameter_sampling=RandomParameterSampling({"--lr": loguniform(-6, -1)}),
    policy=BanditPolicy(slack_factor=0.1, evaluation_interval=1),
    primary_metric_name="accuracy",
    primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,
    max_total_runs=20,
)
run = Experiment(workspace, "digits").submit(config)
run.wait_for_completion(show_output=True)
best = run.get_best_run_by_primary_metric()
best.get_metrics()
"""

from ._hyperdrive_config import (
    BanditPolicy,
    BayesianParameterSampling,
    GridParameterSampling,
    HyperDriveConfig,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    PrimaryMetricGoal,
    RandomParameterSampling,
    ScriptRunConfig,
    TruncationSelectionPolicy,
    choice,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)
from ._hyperdrive_runs import ChildRun, HyperDriveExperiment, HyperDriveRun, Workspace

Experiment, Run = HyperDriveExperiment, ChildRun

__all__ = [
    "BanditPolicy",
    "BayesianParameterSampling",
    "Experiment",
    "GridParameterSampling",
    "HyperDriveConfig",
    "HyperDriveRun",
    "MedianStoppingPolicy",
    "NoTerminationPolicy",
    "PrimaryMetricGoal",
    "RandomParameterSampling",
    "Run",
    "ScriptRunConfig",
    "TruncationSelectionPolicy",
    "Workspace",
    "choice",
    "lognormal",
    "loguniform",
    "normal",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "uniform",
]
