"""Callbacks: XGBoost and LightGBM as they are installed, and the hooks of frameworks
that are too large for the tests, with the least that they call."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost

from tests.client.conftest import Base, stand_in

ROUNDS = 4


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    inputs = np.random.default_rng(0).random((60, 3))
    return inputs, inputs[:, 0]


def steps(site: Any) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for point in site.arrivals:
        found.setdefault(point["name"], []).append(point["step"])
    return found


def lightgbm_rounds(sweep: Any, data: tuple[Any, Any], *more: Any) -> Any:
    train = lightgbm.Dataset(*data)
    valid = lightgbm.Dataset(*data, reference=train)
    return lightgbm.train(
        {"objective": "regression", "metric": ["l2", "l1"], "verbose": -1},
        train,
        num_boost_round=ROUNDS,
        valid_sets=[train, valid],
        valid_names=["training", "validation"],
        callbacks=[sweep.lightgbm.callback(), *more],
    )


def test_lightgbm_reports_each_round(sweep: Any, site: Any, data: Any) -> None:
    kept: dict[str, Any] = {}
    lightgbm_rounds(sweep, data, lightgbm.record_evaluation(kept))
    names = {f"{data}-{name}" for data in kept for name in kept[data]}
    assert steps(site) == {name: list(range(ROUNDS)) for name in names}
    assert len(names) == 4
    expected = kept["validation"]["l2"]
    assert [site.points["validation-l2", n] for n in range(ROUNDS)] == expected


def test_lightgbm_stops_when_asked(sweep: Any, site: Any, data: Any) -> None:
    site.reply_stop = "worse than the median"
    model = lightgbm_rounds(sweep, data)
    assert model.current_iteration() == model.best_iteration == 1
    assert steps(site)["training-l1"] == [0]


def test_lightgbm_reports_the_round_that_its_early_stopping_ends(
    sweep: Any, site: Any, data: Any
) -> None:
    stopping = lightgbm.early_stopping(1, min_delta=1e9, verbose=False)
    assert lightgbm_rounds(sweep, data, stopping).best_iteration == 1
    assert steps(site)["validation-l2"] == [0, 1]


def test_lightgbm_reports_cross_validation(sweep: Any, site: Any, data: Any) -> None:
    found = lightgbm.cv(
        {"objective": "regression", "metric": "l2", "verbose": -1},
        lightgbm.Dataset(*data),
        num_boost_round=2,
        nfold=2,
        stratified=False,
        callbacks=[sweep.lightgbm.callback()],
    )
    sent = [site.points["valid-l2", n] for n in range(2)]
    assert sent == found["valid l2-mean"]


def xgboost_rounds(sweep: Any, data: tuple[Any, Any]) -> xgboost.Booster:
    matrix = xgboost.DMatrix(*data)
    return xgboost.train(
        {"objective": "reg:squarederror", "eval_metric": ["rmse", "mae"]},
        matrix,
        ROUNDS,
        evals=[(matrix, "training"), (matrix, "validation")],
        verbose_eval=False,
        callbacks=[sweep.xgboost.Callback()],
    )


def test_xgboost_reports_each_round(sweep: Any, site: Any, data: Any) -> None:
    model = xgboost_rounds(sweep, data)
    assert model.num_boosted_rounds() == ROUNDS
    names = [f"{d}-{m}" for d in ("training", "validation") for m in ("rmse", "mae")]
    assert steps(site) == {name: list(range(ROUNDS)) for name in names}
    values = [site.points["validation-rmse", n] for n in range(ROUNDS)]
    assert values == sorted(values, reverse=True)


def test_xgboost_stops_when_asked(sweep: Any, site: Any, data: Any) -> None:
    site.reply_stop = "worse than the median"
    assert xgboost_rounds(sweep, data).num_boosted_rounds() == 1


def test_xgboost_reports_the_means_of_cross_validation(
    sweep: Any, site: Any, data: Any
) -> None:
    found = xgboost.cv(
        {"objective": "reg:squarederror"},
        xgboost.DMatrix(*data),
        2,
        nfold=2,
        as_pandas=False,
        callbacks=[sweep.xgboost.Callback()],
    )
    sent = [site.points["test-rmse", n] for n in range(2)]
    assert sent == found["test-rmse-mean"]


def test_keras_reports_epochs_and_stops(
    sweep: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "keras.callbacks", Callback=Base)
    callback = sweep.keras.Callback()
    callback.model = SimpleNamespace(stop_training=False)
    callback.on_epoch_end(0, {"loss": np.float32(0.5), "step": 1})
    callback.on_train_batch_end(0, {"loss": 0.4})
    callback.on_epoch_end(1)
    assert site.points == {("loss", 0): 0.5, ("step", 0): 1.0}
    assert callback.model.stop_training is False
    site.reply_stop = "worse than the median"
    callback.on_epoch_end(2, {"loss": 0.4})
    assert callback.model.stop_training is True


def test_keras_stops_within_an_epoch(
    sweep: Any, spool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "keras.callbacks", Callback=Base)
    callback = sweep.keras.Callback()
    callback.model = SimpleNamespace(stop_training=False)
    spool.with_name("spool.jsonl.stop").write_text('{"reason": "time is up"}')
    callback.on_train_batch_end(7)
    assert callback.model.stop_training is True


class LightningTrainer:
    def __init__(self, rank: int = 0) -> None:
        self.callback_metrics: dict[str, Any] = {}
        self.global_step, self.is_global_zero = 0, rank == 0
        self.sanity_checking = self.should_stop = False
        self.strategy = SimpleNamespace(broadcast=lambda value: rank > 0 or value)


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_lightning_reports_each_metric_after_the_loop_that_logs_it(
    sweep: Any, site: Any, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    stand_in(monkeypatch, f"{package}.callbacks", Callback=Base)
    callback, trainer = sweep.lightning.Callback(), LightningTrainer()
    trainer.sanity_checking = True
    trainer.callback_metrics = {"val_loss": 9}
    callback.on_validation_end(trainer, None)
    trainer.sanity_checking = False
    for epoch in range(2):
        trainer.global_step = 10 * epoch + 10
        # Those of the other loop are still the old ones.
        trainer.callback_metrics["val_loss"] = np.array(epoch + 0.5)
        callback.on_validation_end(trainer, None)
        trainer.callback_metrics["train_loss"] = epoch + 0.25
        callback.on_train_epoch_end(trainer, None)
    expected = {("val_loss", 10): 0.5, ("val_loss", 20): 1.5}
    expected |= {("train_loss", 10): 0.25, ("train_loss", 20): 1.25}
    assert site.points == expected
    assert len(site.arrivals) == 4
    assert trainer.should_stop is False
    site.reply_stop = "worse than the median"
    callback.on_train_epoch_end(trainer, None)
    assert trainer.should_stop is True


def test_lightning_s_other_processes_only_learn_of_a_stop(
    sweep: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "lightning.pytorch.callbacks", Callback=Base)
    callback, trainer = sweep.lightning.Callback(), LightningTrainer(rank=1)
    trainer.callback_metrics = {"val_loss": 9}
    callback.on_validation_end(trainer, None)
    assert not site.requests
    assert trainer.should_stop is True


@pytest.mark.parametrize("processes", [1, 2])
def test_hugging_face_reports_numbers_and_stops(
    sweep: Any, site: Any, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    stand_in(monkeypatch, "transformers", TrainerCallback=Base)
    callback = sweep.huggingface.Callback()
    args = SimpleNamespace(world_size=processes)
    state = SimpleNamespace(global_step=50, is_world_process_zero=True)
    control = SimpleNamespace(should_training_stop=False)
    logs = {"loss": 0.5, "eval_f1": 0.25, "note": "warm-up"}
    callback.on_log(args, state, control, logs=logs, model=None)
    callback.on_step_end(args, state, control, model=None)
    assert site.points == {("loss", 50): 0.5, ("eval_f1", 50): 0.25}
    assert control.should_training_stop is False
    site.reply_stop = "worse than the median"
    callback.on_log(args, state, control, logs=logs)
    callback.on_step_end(args, state, control)
    # Processes that wait for one another must end at the same step: the runner does it.
    assert control.should_training_stop is (processes == 1)


def test_a_callback_names_the_framework_that_is_missing(
    sweep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ImportError, match="keras"):
        sweep.keras.Callback()
