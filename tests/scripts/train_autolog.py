"""Trains with scikit-learn, LightGBM and XGBoost; MLflow logs by itself."""

from __future__ import annotations

import lightgbm
import mlflow
import numpy as np
import xgboost
from sklearn.linear_model import LogisticRegression

# It starts Python again for each model, and says nothing to the site.
mlflow.models.infer_pip_requirements = lambda *_, **__: []

mlflow.set_experiment("an experiment of mine")
mlflow.autolog()
inputs = np.random.default_rng(0).normal(size=(60, 3))
targets = (inputs[:, 0] > 0).astype(int)
with mlflow.start_run():
    LogisticRegression().fit(inputs, targets)
    with mlflow.start_run(nested=True, run_name="lightgbm"):
        data = lightgbm.Dataset(inputs, targets)
        settings = {"objective": "binary", "verbose": -1}
        lightgbm.train(settings, data, 5, valid_sets=[data], valid_names=["train"])
    with mlflow.start_run(nested=True, run_name="xgboost"):
        matrix = xgboost.DMatrix(inputs, targets)
        settings = {"objective": "binary:logistic"}
        xgboost.train(
            settings, matrix, 5, evals=[(matrix, "train")], verbose_eval=False
        )
