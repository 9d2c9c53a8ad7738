"""Logs with MLflow alone: plainly, in a nested run, and by autologging of sklearn."""

from __future__ import annotations

import argparse

import mlflow
import numpy as np
from sklearn.linear_model import LogisticRegression

arguments = argparse.ArgumentParser()
arguments.add_argument("--height", type=float)
height = arguments.parse_args().height

mlflow.set_experiment("an experiment of mine")
mlflow.sklearn.autolog(log_models=False)
with mlflow.start_run():
    mlflow.log_params({"height": height, "epochs": 3})
    for step in range(3):
        mlflow.log_metric("accuracy", height * (1 - 0.5 ** (step + 1)), step=step)
    mlflow.log_text("done", "notes/end.txt")
    with mlflow.start_run(nested=True, run_name="fold"):
        mlflow.log_metric("fold accuracy", height)
    inputs = np.array([[0.0], [1.0], [2.0], [3.0]])
    LogisticRegression().fit(inputs, np.array([0, 0, 1, 1]))
