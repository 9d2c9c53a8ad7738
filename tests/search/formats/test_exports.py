"""Sweep documents written for other systems, and read back."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.document.command import split_command
from experiments.search.document.definition import parse_document
from experiments.search.document.yaml import as_yaml
from experiments.search.fields import DefinitionError
from experiments.search.formats import EXPORTERS, export_sweep, import_sweep
from experiments.search.space.space import SearchSpace
from tests.search.formats.documents import GOOD, INVALID, Case
from tests.search.strategies import DISTRIBUTIONS

PLAIN = {
    "experiment_name": "wine",
    "display_name": "first look",
    "description": "How far gets a small tree?",
    "trial": {
        "command": "python fit.py --lr=${{search_space.lr}} "
        "--kind=${{search_space.kind}}"
    },
    "search_space": {
        "lr": {"type": "uniform", "min_value": 0.001, "max_value": 0.1},
        "kind": {"type": "choice", "values": ["sgd", "adam"]},
    },
    "sampling_algorithm": {"type": "random"},
    "objective": {"primary_metric": "loss", "goal": "minimize"},
    "limits": {"max_total_trials": 20, "max_concurrent_trials": 4},
}
EVERYTHING = {
    "experiment_name": "Wine & more",
    "display_name": "all of it",
    "description": "text",
    "tags": {"team": "cellar"},
    "trial": {
        "command": "python fit.py --lr ${{search_space.lr}} -n ${{inputs.n}}",
        "code": {"files": {"fit.py": "print(1)"}},
        "environment_variables": {"OMP_NUM_THREADS": "2"},
    },
    "inputs": {"n": 30},
    "search_space": {
        "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
        "kind": {
            "type": "choice",
            "values": ["sgd", "adam", None, True],
            "probabilities": [0.4, 0.3, 0.2, 0.1],
        },
        "momentum": {
            "type": "uniform",
            "min_value": 0.5,
            "max_value": 0.99,
            "when": {"kind": ["sgd"]},
        },
        "layers": {"type": "int", "low": 2, "high": 8, "step": 2, "log": False},
        "width": {"type": "int", "low": 1, "high": 5000, "log": True},
        "drop": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.1},
        "seed": {"type": "randint", "upper": 10},
        "bell": {"type": "qnormal", "mu": 5, "sigma": 2, "q": 1},
        "net": {
            "type": "choice",
            "values": [{"depth": {"type": "randint", "upper": 3}}, {"flat": 1}],
        },
    },
    "constraints": ["layers <= seed + 8"],
    "sampling_algorithm": {"type": "tpe", "seed": 7},
    "objective": {"primary_metric": "acc", "goal": "maximize", "target": 0.99},
    "early_termination": {
        "type": "median_stopping",
        "evaluation_interval": 2,
        "delay_evaluation": 5,
        "min_rivals": 3,
    },
    "limits": {
        "max_total_trials": 5000,
        "max_concurrent_trials": 4,
        "timeout": 30,
        "trial_timeout": 90.5,
        "max_failed_trials": 3,
    },
    "compute": "default",
    "resources": {"gpus": 1},
    "retries": {"max_attempts": 4},
    "priority": 5,
}


VALID = [case for case in GOOD if not case.name.endswith(INVALID)]


def _paths(document: dict, format: str) -> set[str]:
    return {note.path for note in export_sweep(document, format)[1]}


@pytest.mark.parametrize("format", EXPORTERS)
def test_a_plain_sweep_comes_back_from_every_format(format: str):
    back = import_sweep(export_sweep(PLAIN, format)[0])
    space = dict(back.document["search_space"])
    if format in ("katib", "optuna"):
        assert space["lr"] == {"type": "float", "low": 0.001, "high": 0.1}
        space["lr"] = PLAIN["search_space"]["lr"]
    assert back.format == format
    assert space == PLAIN["search_space"]
    assert back.document["objective"] == PLAIN["objective"]


@pytest.mark.parametrize("format", ["azure", "wandb", "katib"])
def test_a_plain_command_comes_back_word_for_word(format: str):
    back = import_sweep(export_sweep(PLAIN, format)[0]).document
    assert back["experiment_name"] == PLAIN["experiment_name"]
    given, found = (document["trial"]["command"] for document in (PLAIN, back))
    assert split_command(found) == split_command(given)


@pytest.mark.parametrize("format", EXPORTERS)
@pytest.mark.parametrize("case", VALID)
def test_every_document_of_the_table_can_be_exported_and_read_back(
    case: Case, format: str
):
    document = parse_document(import_sweep(case.text).document).dump()
    text, notes = export_sweep(document, format)
    back = import_sweep(text)
    assert back.format == format
    assert list(back.document["search_space"]) == list(document["search_space"])
    objective = {k: v for k, v in document["objective"].items() if k != "target"}
    assert back.document["objective"].items() >= objective.items()
    left = {note.path for note in notes if note.kind == "left out"}
    if format == "azure" and "early_termination" not in left:
        policy = dict(document.get("early_termination", {}))
        kept = back.document.get("early_termination", {})
        assert kept.items() <= policy.items()


def test_what_azure_does_not_have_is_noted():
    assert _paths(EVERYTHING, "azure") == {
        "sampling_algorithm.type",
        "sampling_algorithm.seed",
        "trial.code",
        "trial.environment",
        "search_space.lr",
        "search_space.kind",
        "search_space.kind.probabilities",
        "search_space.momentum.when",
        "search_space.layers",
        "search_space.width",
        "search_space.drop",
        "search_space.seed",
        "search_space.bell",
        "constraints",
        "objective.target",
        "early_termination.min_rivals",
        "limits.max_total_trials",
        "limits.timeout",
        "limits.max_failed_trials",
        "compute",
        "resources.gpus",
        "retries",
        "priority",
    }


def test_what_weights_and_biases_does_not_have_is_noted():
    assert _paths(EVERYTHING, "wandb") == {
        "sampling_algorithm.type",
        "sampling_algorithm.seed",
        "tags",
        "trial.code",
        "trial.command",
        "search_space.momentum.when",
        "search_space.layers",
        "search_space.width",
        "search_space.drop",
        "search_space.net",
        "constraints",
        "early_termination",
        "limits.max_concurrent_trials",
        "limits.timeout",
        "limits.trial_timeout",
        "limits.max_failed_trials",
        "compute",
        "resources.gpus",
        "retries",
        "priority",
    }


def test_what_katib_does_not_have_is_noted():
    assert _paths(EVERYTHING, "katib") == {
        "experiment_name",
        "display_name",
        "description",
        "trial.code",
        "trial.image",
        "search_space.kind",
        "search_space.kind.probabilities",
        "search_space.momentum.when",
        "search_space.bell",
        "search_space.net",
        "constraints",
        "early_termination.evaluation_interval",
        "limits.timeout",
        "limits.trial_timeout",
        "compute",
        "resources.gpus",
        "retries",
        "priority",
    }


def test_what_optuna_does_not_have_is_noted():
    assert _paths(EVERYTHING, "optuna") == {
        "experiment_name",
        "description",
        "trial",
        "inputs",
        "search_space.kind.probabilities",
        "search_space.momentum.when",
        "search_space.bell",
        "search_space.net",
        "constraints",
        "sampling_algorithm",
        "objective.target",
        "early_termination",
        "limits",
        "compute",
        "resources",
        "retries",
        "priority",
    }


def _mappings(value: object, path: str = "") -> Iterator[tuple[str, dict]]:
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from _mappings(item, f"{path}.{key}")


@pytest.mark.parametrize("format", EXPORTERS)
def test_an_unknown_field_is_never_lost(format: str):
    notes = export_sweep(EVERYTHING, format)[1]
    # Their notes cover everything inside them.
    whole = tuple(f".{note.path}" for note in notes if note.kind == "left out")
    for place, (path, _) in enumerate(_mappings(EVERYTHING)):
        if path.startswith((*whole, ".search_space.")):
            continue
        document = copy.deepcopy(EVERYTHING)
        list(_mappings(document))[place][1]["zzz_unknown"] = "1"
        try:
            said = str(export_sweep(document, format))
        except DefinitionError as error:
            said = str(error)
        assert "zzz_unknown" in said, f"{format} loses it at {path}"


def test_wandb_gets_each_value_by_its_own_name():
    text, _ = export_sweep(EVERYTHING, "wandb")
    sweep = yaml.safe_load(text)
    assert sweep["program"] == "fit.py"
    assert sweep["command"] == [
        "${env}",
        "OMP_NUM_THREADS=2",
        "python",
        "${program}",
        "${args}",
        "-n",
        "30",
    ]
    assert sweep["metric"] == {"name": "acc", "goal": "maximize", "target": 0.99}


def test_a_value_under_another_name_is_noted_for_wandb():
    trial = {"command": "fit --rate=${{search_space.lr}} x/${{search_space.kind}}"}
    notes = export_sweep({**PLAIN, "trial": trial}, "wandb")[1]
    said = [note.message for note in notes if note.path == "trial.command"]
    assert len(said) == 2
    assert "--rate becomes --lr" in said[0]


def test_values_without_hyphens_stay_without_them_at_wandb():
    command = "fit lr=${{search_space.lr}} kind=${{search_space.kind}}"
    sweep = {**PLAIN, "trial": {"command": command}}
    text, notes = export_sweep(sweep, "wandb")
    assert yaml.safe_load(text)["command"] == ["${env}", "fit", "${args_no_hyphens}"]
    assert "trial.command" not in {note.path for note in notes}


def test_a_constant_of_wandb_comes_back_as_an_input():
    sweep = {**PLAIN, "inputs": {"epochs": 27}}
    sweep["trial"] = {"command": "python fit.py --epochs=${{inputs.epochs}}"}
    back = import_sweep(export_sweep(sweep, "wandb")[0]).document
    assert back["inputs"] == {"epochs": 27}


def test_a_command_without_placeholders_gets_every_value_as_an_option():
    sweep = {**PLAIN, "trial": {"command": "fit"}}
    job = yaml.safe_load(export_sweep(sweep, "azure")[0])
    assert job["trial"]["command"] == (
        "fit --lr ${{search_space.lr}} --kind ${{search_space.kind}}"
    )


def test_logarithms_to_another_base_become_natural_where_there_is_none():
    sweep = {
        **PLAIN,
        "sampling_algorithm": {"type": "random", "logbase": 10},
        "search_space": {
            "lr": {"type": "loguniform", "min_value": -4, "max_value": -1}
        },
    }
    parameters = yaml.safe_load(export_sweep(sweep, "wandb")[0])["parameters"]
    assert parameters["lr"]["min"] == pytest.approx(math.log(1e-4))
    space = yaml.safe_load(export_sweep(sweep, "katib")[0])["spec"]["parameters"]
    assert float(space[0]["feasibleSpace"]["max"]) == pytest.approx(0.1)
    job = yaml.safe_load(export_sweep(sweep, "azure")[0])
    assert job["search_space"]["lr"]["min_value"] == -4
    assert job["sampling_algorithm"]["logbase"] == 10


def test_a_grid_for_azure_lists_every_value():
    sweep = {
        **PLAIN,
        "sampling_algorithm": {"type": "grid"},
        "search_space": {
            "x": {"type": "quniform", "min_value": 1, "max_value": 9, "q": 2}
        },
    }
    text, notes = export_sweep(sweep, "azure")
    law = yaml.safe_load(text)["search_space"]["x"]
    assert law == {"type": "choice", "values": [2, 4, 6, 8]}
    assert "search_space.x" in {note.path for note in notes}


def test_another_format_is_refused():
    with pytest.raises(DefinitionError, match="did you mean azure"):
        export_sweep(PLAIN, "azur")


@pytest.mark.parametrize("space", [None, "{}", {"x": "uniform(0, 1)"}, {"x": {}}])
def test_a_document_that_is_not_canonical_is_refused(space: object):
    for format in EXPORTERS:
        with pytest.raises(DefinitionError, match="search_space"):
            export_sweep({**PLAIN, "search_space": space}, format)


@given(DISTRIBUTIONS)
def test_every_distribution_goes_to_every_format_and_back(law):
    space = SearchSpace({"x": law}).dump()
    document = {**PLAIN, "trial": {"command": "fit"}, "search_space": space}
    for format in EXPORTERS:
        text, notes = export_sweep(document, format)
        imported = import_sweep(text)
        assert list(imported.document["search_space"]) == ["x"], text
        changed = {note.path for note in (*notes, *imported.notes)}
        if format == "azure" and "search_space.x" not in changed:
            back = SearchSpace.parse(imported.document["search_space"])
            assert back.count() == SearchSpace({"x": law}).count()


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, min_size=1))
def test_yaml_text_means_the_same_to_every_reader(document):
    from experiments.search.document.loading import load_document

    text = as_yaml(document)
    assert yaml.safe_load(text) == document
    assert load_document(text) == document


@pytest.mark.parametrize("format", EXPORTERS)
def test_a_distribution_without_bounds_may_reach_beyond_all_floats(format: str) -> None:
    law = {"type": "lognormal", "mu": 600, "sigma": 90}
    space = {**PLAIN["search_space"], "lr": law}  # type: ignore[dict-item]
    document = parse_document({**PLAIN, "search_space": space}).dump()
    assert export_sweep(document, format)[0]
