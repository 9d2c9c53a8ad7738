"""Scripts and notebooks of both Azure SDKs: read through their variables, never run."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from experiments.search.fields import DefinitionError
from experiments.search.formats import Imported, definition_of, import_sweep
from experiments.search.formats.detect import parts_of

V1 = """\
from azureml.core import ScriptRunConfig
from azureml.train import hyperdrive
from azureml.train.hyperdrive import BanditPolicy, PrimaryMetricGoal

folder = "./digits"
epochs = 20
src = ScriptRunConfig(source_directory=folder, script="train.py",
                      arguments=["--epochs", epochs, "--data", data.as_mount()],
                      compute_target=cluster, environment=keras_env)
rates = [0.01, 0.1]
ps = hyperdrive.RandomParameterSampling({
    "--batch-size": hyperdrive.choice(16, 32),
    "--first-layer": hyperdrive.choice(*[128, 256]),
    "lr": hyperdrive.choice(rates),
})
early = BanditPolicy(evaluation_interval=2, slack_factor=0.1)
config = hyperdrive.HyperDriveConfig(run_config=src, hyperparameter_sampling=ps,
    policy=early, primary_metric_name="accuracy",
    primary_metric_goal=PrimaryMetricGoal.MAXIMIZE, max_total_runs=8)
print({"x": hyperdrive.choice(1, 2)})
other = {"later": hyperdrive.choice(1, 2)}
run = experiment.submit(config)
"""
V2 = """\
from azure.ai.ml import command, Input
from azure.ai.ml.sweep import Choice, Uniform, BanditPolicy

job = command(
    code="./src",
    command=(
        "python main.py --csv ${{inputs.csv}} "
        "--lr ${{inputs.lr}}" + " --boost ${{inputs.boost}} --n ${{inputs.n}}"
    ),
    environment="AzureML-lightgbm@latest",
    inputs={"csv": Input(type="uri_file", path="https://h.org/iris.csv"),
            "lr": 0.9, "boost": "gbdt", "n": 3},
    compute="cpu-cluster",
)
rate = Uniform(min_value=0.01, max_value=0.9)
searched = job(lr=rate, boost=Choice(["gbdt", "dart"]))
sweep_job = searched.sweep(compute="cpu-cluster", sampling_algorithm="random",
                           primary_metric="loss", goal="Minimize")
sweep_job.set_limits(max_total_trials=20, max_concurrent_trials=5, timeout=minutes * 60)
sweep_job.early_termination = BanditPolicy(slack_factor=0.2, evaluation_interval=1)
sweep_job.display_name = "iris"
sweep_job.experiment_name = "lightgbm"
ml_client.create_or_update(sweep_job)
"""


def read(text: str, **options: Any) -> Imported:
    found = import_sweep(text, **options)
    definition_of(found)
    return found


def notes(found: Imported) -> dict[str, tuple[int | None, str]]:
    return {note.path: (note.line, note.message) for note in found.notes}


def inner(found: Imported, name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", found.document[name])


def test_a_hyperdrive_script_with_its_run_configuration() -> None:
    found = read(V1)
    assert found.format == "azure"
    assert found.document == {
        "sampling_algorithm": {"type": "random"},
        "search_space": {
            "batch_size": "choice(16, 32)",
            "first_layer": "choice(128, 256)",
            "lr": "choice([0.01, 0.1])",
        },
        "trial": {
            "command": "python train.py --epochs 20 --batch-size"
            " ${{search_space.batch_size}} --first-layer ${{search_space.first_layer}}"
            " --lr ${{search_space.lr}}",
            "code": "./digits",
        },
        "early_termination": {
            "type": "bandit",
            "evaluation_interval": 2,
            "slack_factor": 0.1,
        },
        "objective": {"primary_metric": "accuracy", "goal": "maximize"},
        "limits": {"max_total_trials": 8},
    }
    said = notes(found)
    line, sentence = said["arguments"]
    assert line == 8 and sentence.startswith('--data "data.as_mount()" in the command')
    assert said["environment"][0] == 9 and "compute_target" in said
    # One sentence for the rest, not one for each line.
    assert (
        len(said) == 6 and said[""][1] == "2 other statements are not about the sweep."
    )


def test_the_space_is_the_one_that_the_configuration_names() -> None:
    text = V1.replace("sampling=ps", "sampling=GridParameterSampling(other)")
    with pytest.raises(DefinitionError, match="no search space that can be read"):
        read(text.replace("other = {", "# other = {"))
    moved = text.replace("early =", "other = {'x': hyperdrive.choice(1, 2)}\nearly =")
    assert read(moved).document["search_space"] == {"x": "choice(1, 2)"}
    # One with the same name that is set later is not meant.
    later = V1.replace("other = {", "ps = {")
    assert "batch_size" in read(later).document["search_space"]


def test_several_configurations_are_never_mixed() -> None:
    second = V1.replace("config =", "second =").replace(
        "max_total_runs=8", "max_total_runs=9"
    )
    both = V1 + second
    assert parts_of(both) == ["config", "second"]
    with pytest.raises(DefinitionError, match="has 2 sweeps, config and second"):
        import_sweep(both)
    for name, total in (("config", 8), ("second", 9)):
        limits = read(both, name=name).document["limits"]
        assert limits == {"max_total_trials": total}


def test_what_only_a_run_knows_is_noted_and_the_experiment_is_named() -> None:
    text = V1.replace("directory=folder", "directory=find()").replace(
        "policy=early", "policy=self.policy()"
    )
    found = import_sweep(
        text + 'Experiment(workspace=ws, name="digits").submit(config)\n'
    )
    assert found.document["experiment_name"] == "digits"
    assert "code" not in inner(found, "trial")
    assert "early_termination" not in found.document
    messages = {note.path: note.message for note in found.notes}
    assert messages["source_directory"] == (
        'source_directory is "find()", which is known only when the script runs.'
    )
    assert messages["policy"] == (
        'policy is "self.policy()", which is not a known policy.'
    )
    two = import_sweep(text + 'Experiment(ws, "a")\nExperiment(ws, "b")\n')
    assert "experiment_name" not in two.document


@pytest.mark.parametrize("kind", ["Estimator", "TensorFlow", "SKLearn"])
def test_an_estimator_gives_the_command(kind: str) -> None:
    text = f"""
est = {kind}(source_directory=".", entry_script="fit.py", conda_packages=["scipy"],
             script_params={{"--data": ds.as_mount(), "--reg": 0.5, "--fast": ""}})
config = HyperDriveRunConfig(
    estimator=est, hyperparameter_sampling=GridParameterSampling({{"a": choice(1, 2)}}),
    primary_metric_name="auc", primary_metric_goal=PrimaryMetricGoal.MINIMIZE,
    max_total_runs=4)
"""
    found = read(text)
    assert found.document["trial"] == {
        "command": "python fit.py --reg 0.5 --fast --a ${{search_space.a}}",
        "code": ".",
    }
    assert found.document["objective"] == {"primary_metric": "auc", "goal": "minimize"}
    assert "trial.requirements" in notes(found)["conda_packages"][1]


def test_a_sweep_of_the_second_sdk() -> None:
    found = read(V2)
    assert found.document == {
        "experiment_name": "lightgbm",
        "display_name": "iris",
        "trial": {
            "command": "python main.py --csv ${{inputs.csv}} --lr ${{search_space.lr}}"
            " --boost ${{search_space.boost}} --n ${{inputs.n}}",
            "code": "./src",
        },
        "inputs": {"csv": "https://h.org/iris.csv", "n": 3},
        "search_space": {
            "lr": "Uniform(min_value=0.01, max_value=0.9)",
            "boost": "Choice(['gbdt', 'dart'])",
        },
        "sampling_algorithm": "random",
        "objective": {"primary_metric": "loss", "goal": "minimize"},
        "early_termination": {
            "type": "bandit",
            "slack_factor": 0.2,
            "evaluation_interval": 1,
        },
        "limits": {"max_total_trials": 20, "max_concurrent_trials": 5},
        "compute": "cpu-cluster",
    }
    said = notes(found)
    assert "known only when the script runs" in said["timeout"][1]
    assert {"trial.environment", "inputs.csv"} <= said.keys()


def test_what_is_set_on_a_job_is_read_or_noted() -> None:
    text = V2 + (
        "sweep_job.early_termination = rule\n"
        "sweep_job.description = about()\n"
        "sweep_job.resources = Resources()\n"
    )
    notes = {note.path: note.message for note in import_sweep(text).notes}
    assert "not a known policy" in notes["early_termination"]
    assert "known only when the script runs" in notes["description"]
    assert "no equivalent" in notes["resources"]


def test_limits_and_the_space_may_be_set_on_the_job() -> None:
    text = V2.replace("lr=rate, boost=", "boost=").replace(
        "sweep_job.set_limits(max_total_trials=20, max_concurrent_trials=5,"
        " timeout=minutes * 60)",
        "sweep_job.limits.max_total_trials = 7\nsweep_job.limits.timeout = late()\n"
        'sweep_job.search_space = {"lr": rate}\nsweep_job.resources.nodes = 2',
    )
    found = import_sweep(text)
    assert found.document["limits"] == {"max_total_trials": 7}
    assert set(inner(found, "search_space")) == {"lr", "boost"}
    paths = {note.path for note in found.notes}
    assert {"limits.timeout", "resources.nodes"} <= paths


def test_a_list_of_a_range_is_the_range() -> None:
    text = V2.replace('Choice(["gbdt", "dart"])', "Choice(values=list(range(2, 9)))")
    space = inner(import_sweep(text), "search_space")
    assert space["boost"] == "Choice(values=range(2, 9))"
    definition_of(import_sweep(text))


def test_its_space_in_the_command_or_beside_the_sweep() -> None:
    inside = V2.replace('"lr": 0.9', '"lr": Choice(values=[1, 2])').replace(
        "searched.sweep(", "job.sweep("
    )
    assert read(inside).document["search_space"] == {"lr": "Choice(values=[1, 2])"}
    named = V2.replace("searched.sweep(", "job.sweep(search_space={'n': Choice([3])}, ")
    assert read(named).document["search_space"] == {"n": "Choice([3])"}


def test_a_component_in_its_own_file() -> None:
    text = """
train = load_component(source="./train.yml")
step = train(lr=Uniform(0, 1), epochs=3).sweep(
    primary_metric="auc", goal="maximize", sampling_algorithm="bayesian",
    max_total_trials=9)
"""
    files = {"train.yml": "command: python t.py --lr ${{inputs.lr}}\ncode: ."}
    document = read(text, beside=files.get).document
    assert document["trial"]["command"] == "python t.py --lr ${{search_space.lr}}"
    assert document["inputs"] == {"epochs": 3}
    assert document["limits"] == {"max_total_trials": 9}


@pytest.mark.parametrize(("text", "metric"), [(V1, "accuracy"), (V2, "loss")])
def test_a_notebook_is_read_as_a_script(text: str, metric: str) -> None:
    def cell(source: object, kind: str = "code") -> dict[str, object]:
        return {"cell_type": kind, "source": source, "metadata": {}}

    cells = [
        cell("# Words: choice(1, 2)", "markdown"),
        cell(["%pip install azureml\n", "!ls\n", "cluster?\n"]),
        cell("%%writefile train.py\nHyperDriveConfig(x"),
        cell("this is ) not Python"),
        cell(text.splitlines(keepends=True)),
    ]
    found = read(json.dumps({"cells": cells, "nbformat": 4}))
    assert found.document["objective"]["primary_metric"] == metric
    assert any("cell 4, line" in note.path for note in found.notes)


@pytest.mark.parametrize(
    "text",
    [
        "config = AutoMLConfig(task='classification', iterations=3)",
        "job = automl.regression(compute='c', training_data=data)",
    ],
)
def test_automated_machine_learning_is_told_from_a_sweep(text: str) -> None:
    with pytest.raises(DefinitionError, match="automated ML job of Azure"):
        import_sweep(text)


@pytest.mark.parametrize(
    "text",
    [
        "a = b\nb = a\nps = RandomParameterSampling({'x': choice(a)})",
        "a = [1]\n"
        + "a = [a, a]\n" * 60
        + "ps = GridParameterSampling({'x': choice(a)})",
        "ps = GridParameterSampling({n: choice(1)})",
        "ps = GridParameterSampling(unknown)\npolicy = BanditPolicy(*a)",
        "config = HyperDriveConfig()",
        "sweep = job.sweep(primary_metric=None)",
        "x = f(1).sweep(goal=2, primary_metric=g)\nx.limits = 3",
    ],
)
def test_nonsense_is_refused_in_sentences(text: str) -> None:
    with pytest.raises(DefinitionError) as error:
        definition_of(import_sweep(text, format="azure"))
    assert all(problem.message.endswith(".") for problem in error.value.problems)


def test_a_grid_of_the_second_sdk_keeps_all_its_combinations() -> None:
    grid = V2[: V2.index("sweep_job.set_limits")].replace('"random"', '"grid"')
    found = read(
        grid.replace("Uniform(min_value=0.01, max_value=0.9)", "Choice([1, 2])")
    )
    assert found.document["sampling_algorithm"] == "grid"
    assert "limits" not in found.document


def test_a_seed_and_what_is_calculated_are_read_and_the_rest_is_noted() -> None:
    text = V1.replace('    "lr": hyperdrive.choice(rates),\n})', "}, seed=7)")
    text = text.replace("max_total_runs=8", "max_total_runs=N * 10")
    found = read("N = 4\n" + text.replace("submit(config)", "submit(config, tags=t)"))
    assert found.document["sampling_algorithm"] == {"type": "random", "seed": 7}
    assert found.document["limits"] == {"max_total_trials": 40}
    assert "tags" in notes(found)


@pytest.mark.parametrize(
    "total", ["late()", "1 // 0", "'8'", "[8] * 2", f"{10**15} * 10 * 10"]
)
def test_a_limit_that_is_no_number_has_one_note(total: str) -> None:
    found = read(V1.replace("max_total_runs=8", f"max_total_runs={total}"))
    assert found.document["limits"] == {"max_total_trials": 100}
    said = [note.message for note in found.notes if "max_total_runs" in str(note)]
    assert len(said) == 1
    assert "not a number, or known only when it runs" in said[0]
