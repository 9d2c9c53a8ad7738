"""Azure's v1 SDK on this site: only the import line and the workspace differ."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from experiments.models import Sweep
from experiments.models.trials import TrialState
from experiments.sweeps.creation import sweep_document
from tests import factories

# As the SDK's articles and notebooks have them.
CELLS = """
param_sampling = RandomParameterSampling( {
        "--learning_rate": normal(10, 3),
        "keep_probability": uniform(0.05, 0.1),
        "batch_size": choice(16, 32, 64, 128),
        "--number_of_hidden_layers": choice(range(3,5)),
        "--momentum": quniform(0.1, 0.9, 0.1),
    }
)
early_termination_policy = BanditPolicy(slack_factor = 0.1, evaluation_interval=1,
                                        delay_evaluation=5)
src = ScriptRunConfig(source_directory=script_folder,
                      script='train.py',
                      arguments=['--data-folder', '/data/my set'],
                      compute_target=None,
                      environment=None)
hd_config = HyperDriveConfig(run_config=src,
                             hyperparameter_sampling=param_sampling,
                             policy=early_termination_policy,
                             primary_metric_name="accuracy",
                             primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,
                             max_total_runs=100,
                             max_concurrent_runs=4)
experiment = Experiment(ws, "digits")
hyperdrive_run = experiment.submit(hd_config)
"""


@pytest.fixture
def names(at_site: ModuleType, tmp_path: Path) -> dict[str, Any]:
    """What the cells take for granted."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/train.py").write_text("print(1)")
    module = importlib.import_module("sweepsite_client.hyperdrive")
    found = {name: getattr(module, name) for name in module.__all__}
    workspace = found["Workspace"].from_config()
    return {**found, "ws": workspace, "script_folder": str(tmp_path / "src")}


def test_the_cells_of_a_notebook_start_a_sweep(names: dict[str, Any]) -> None:
    exec(CELLS, names)
    run = names["hyperdrive_run"]
    sweep = Sweep.objects.get()
    assert (sweep.state, run.id) == ("running", "digits-1")
    document = sweep_document(sweep)
    assert document["trial"]["command"] == (
        "python train.py --data-folder '/data/my set'"
        " --learning_rate ${{search_space.learning_rate}}"
        " --keep_probability ${{search_space.keep_probability}}"
        " --batch_size ${{search_space.batch_size}}"
        " --number_of_hidden_layers ${{search_space.number_of_hidden_layers}}"
        " --momentum ${{search_space.momentum}}"
    )
    space = document["search_space"]
    assert space["batch_size"]["values"] == [16, 32, 64, 128]
    assert space["number_of_hidden_layers"]["values"] == [3, 4]
    assert space["learning_rate"]["type"] == "normal"
    policy = {"type": "bandit", "slack_factor": 0.1, "delay_evaluation": 5}
    assert (sweep.early_termination or {}).items() >= policy.items()
    limits = (sweep.max_total_trials, sweep.max_concurrent_trials)
    assert limits == (100, 4)
    assert sweep.timeout == 10_080 * 60
    assert (run.get_status(), run.get_best_run_by_primary_metric()) == ("Running", None)
    assert run.get_portal_url().endswith(sweep.get_absolute_url())
    run.cancel()
    assert run.get_status() == "Canceled"
    with pytest.raises(Exception, match="digits-1 is cancelled"):
        run.wait_for_completion(show_output=False)


def test_the_best_run_is_read_like_azures(
    names: dict[str, Any], tmp_path: Path
) -> None:
    exec(CELLS, names)
    run, row = names["hyperdrive_run"], Sweep.objects.get()
    factories.reported_trial(row, [0.2, 0.3])
    best = factories.reported_trial(row, [0.5, 0.9])
    waiting = factories.trial(row, params={"batch_size": 64})
    for trial in row.trials.exclude(pk=waiting.pk):
        trial.state = TrialState.COMPLETED
        trial.save()
    factories.output(best, "model/net.bin", b"weights")
    found = run.get_best_run_by_primary_metric()
    assert found.id == best.label
    assert found.get_metrics() == {"accuracy": [0.5, 0.9]}
    assert found.get_file_names() == ["model/net.bin"]
    found.download_file("outputs/model/net.bin", str(tmp_path / "net.bin"))
    assert (tmp_path / "net.bin").read_bytes() == b"weights"
    with pytest.raises(Exception, match=r"no output 'other'.*model/net\.bin"):
        found.download_file("other")
    arguments = found.get_details()["runDefinition"]["arguments"]
    assert arguments[::2] == [f"--{name}" for name in best.params]
    rows = run.get_children_sorted_by_primary_metric()
    values = [row["best_primary_metric"] for row in rows]
    assert values == [0.9, 0.3, None]
    worst = run.get_children_sorted_by_primary_metric(1, reverse=True)
    assert [row["best_primary_metric"] for row in worst] == [0.3]
    assert run.get_children()[0].id == waiting.label
    assert run.get_metrics()[best.label] == {"accuracy": [0.5, 0.9]}
    assert len(names["experiment"].get_runs()) == 1


def test_what_is_not_a_sweep_says_so(names: dict[str, Any]) -> None:
    config, experiment = names["ScriptRunConfig"], names["Experiment"]
    with pytest.raises(Exception, match="A ScriptRunConfig is one run"):
        experiment(names["ws"], "digits").submit(config(script="train.py"))
    with pytest.raises(ValueError, match="needs a script or a command"):
        config(source_directory=".")
    with pytest.raises(ValueError, match="run_config must be"):
        names["HyperDriveConfig"](None, "a", "MAXIMIZE", 1)
