"""Samplers and policies of every system, imported and exported."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from experiments.search.document.definition import parse_document
from experiments.search.formats import (
    InvalidImportError,
    definition_of,
    export_sweep,
    import_sweep,
)
from experiments.search.samplers import SAMPLERS
from experiments.search.termination import POLICIES

AZURE = {
    "type": "sweep",
    "trial": {"command": "fit"},
    "search_space": {"x": {"type": "choice", "values": [1, 2]}},
    "objective": {"primary_metric": "loss", "goal": "minimize"},
    "limits": {"max_total_trials": 9},
}
WANDB = {
    "program": "fit.py",
    "method": "random",
    "metric": {"name": "loss"},
    "parameters": {"x": {"values": [1, 2]}},
    "run_cap": 9,
}
PARAMETER = {
    "name": "x",
    "parameterType": "double",
    "feasibleSpace": {"min": "0", "max": "1"},
}
KATIB = {
    "objective": {"type": "minimize", "objectiveMetricName": "loss"},
    "algorithm": {"algorithmName": "random"},
    "maxTrialCount": 9,
    "parameters": [PARAMETER],
}
NNI = {
    "searchSpace": {"x": {"_type": "choice", "_value": [1, 2]}},
    "trialCommand": "fit",
    "maxTrialNumber": 9,
    "tuner": {"name": "Random"},
}
CHOICE = {"name": "CategoricalDistribution", "attributes": {"choices": [1, 2]}}
OPTUNA = {"study_name": "s", "directions": ["MINIMIZE"], "distributions": {"x": CHOICE}}


def katib(**spec: object) -> str:
    experiment = {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment"}
    return json.dumps({**experiment, "spec": {**KATIB, **spec}})


def nni(**settings: object) -> str:
    return json.dumps({**NNI, **settings})


def optuna(**settings: object) -> str:
    return json.dumps({**OPTUNA, **settings})


def sampling(text: str) -> dict:
    definition = definition_of(import_sweep(text), new_seed=lambda: 0)
    return dict(definition.sampling_algorithm)


def policy(text: str) -> dict:
    """The imported policy, which has to be valid."""
    imported = import_sweep(text)
    definition_of(imported)
    return dict(imported.document.get("early_termination", {}))


def noted(text: str, path: str) -> bool:
    return any(note.path == path for note in import_sweep(text).notes)


@pytest.mark.parametrize("kind", ["Random", "GRID", "Bayesian", "bayesian"])
@pytest.mark.parametrize("as_object", [True, False])
def test_samplings_of_azure_in_any_case_and_form(kind: str, as_object: bool) -> None:
    given = {"type": kind} if as_object else kind
    text = json.dumps({**AZURE, "sampling_algorithm": given})
    assert sampling(text)["type"] == kind.lower()


@pytest.mark.parametrize(
    ("method", "kind"), [("grid", "grid"), ("random", "random"), ("bayes", "bayesian")]
)
def test_methods_of_weights_and_biases(method: str, kind: str) -> None:
    text = json.dumps({**WANDB, "method": method})
    assert sampling(text)["type"] == kind
    assert not noted(text, "method")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("random", "random"),
        ("bayesianoptimization", "bayesian"),
        ("tpe", "tpe"),
        ("multivariate-tpe", "tpe"),
        ("cmaes", "cmaes"),
        ("sobol", "sobol"),
    ],
)
def test_algorithms_of_katib(name: str, kind: str) -> None:
    settings = [{"name": "random_state", "value": "7"}]
    text = katib(algorithm={"algorithmName": name, "algorithmSettings": settings})
    assert sampling(text)["type"] == kind
    assert sampling(text)["seed"] == 7
    assert not noted(text, "spec.algorithm.algorithmName")


@pytest.mark.parametrize("name", ["pbt", "enas", "darts", "our-own-service"])
def test_random_search_replaces_algorithms_that_this_site_lacks(name: str) -> None:
    text = katib(algorithm={"algorithmName": name})
    assert sampling(text)["type"] == "random"
    assert noted(text, "spec.algorithm.algorithmName")


@pytest.mark.parametrize(
    ("name", "kind", "same"),
    [
        ("Random", "random", True),
        ("GridSearch", "grid", True),
        ("Batch", "grid", True),
        ("TPE", "tpe", True),
        ("GP", "bayesian", True),
        ("GPTuner", "bayesian", True),
        ("Anneal", "tpe", False),
        ("Evolution", "tpe", False),
        ("SMAC", "bayesian", False),
        ("Metis", "bayesian", False),
        ("DNGO", "bayesian", False),
        ("PBTTuner", "random", False),
        ("PPOTuner", "random", False),
    ],
)
def test_tuners_of_nni(name: str, kind: str, same: bool) -> None:
    new = nni(tuner={"name": name, "classArgs": {"optimize_mode": "minimize"}})
    old = nni(tuner={"builtinTunerName": name})
    assert sampling(new)["type"] == sampling(old)["type"] == kind
    assert noted(new, "tuner.name") is not same
    assert noted(old, "tuner.builtinTunerName") is not same


@pytest.mark.parametrize(
    ("name", "kind", "same"),
    [
        ("TPESampler", "tpe", True),
        ("RandomSampler", "random", True),
        ("CmaEsSampler", "cmaes", True),
        ("GPSampler", "bayesian", True),
        ("QMCSampler", "sobol", True),
        ("GridSampler", "grid", True),
        ("BruteForceSampler", "grid", True),
        ("NSGAIISampler", "tpe", False),
        ("OurSampler", "tpe", False),
    ],
)
def test_samplers_of_optuna(name: str, kind: str, same: bool) -> None:
    plain, full = optuna(sampler=name), optuna(sampler={"name": name, "seed": 3})
    assert sampling(plain)["type"] == kind
    assert sampling(full) == {**sampling(plain), "seed": 3}
    assert noted(plain, "sampler") is not same


def test_a_study_without_a_sampler_gets_optunas_default() -> None:
    assert sampling(optuna())["type"] == "tpe"
    assert policy(optuna()) == {}


def test_hyperband_of_weights_and_biases_is_its_own_rule() -> None:
    def imported(**rule: Any) -> dict[str, Any]:
        rule = {"type": "hyperband", **rule}
        text = json.dumps({**WANDB, "early_terminate": rule})
        definition_of(import_sweep(text))
        noted_keys.append(
            {n.path for n in import_sweep(text).notes if "early_terminate" in n.path}
        )
        return policy(text)

    noted_keys: list[set[str]] = []
    same = {"type": "wandb_hyperband", "strict": True}
    assert imported(min_iter=3) == {**same, "min_iter": 3}
    brackets = {"max_iter": 27, "s": 2, "eta": 2.5, "strict": False}
    assert imported(**brackets) == {**same, **brackets}
    assert noted_keys == [set(), set()]
    assert imported(max_iter=27, s=2, min_iter=1) == {**same, "max_iter": 27, "s": 2}
    assert imported(min_iter=1, max_iter=27) == {**same, "min_iter": 1}
    unused = ("min_iter", "max_iter")
    assert noted_keys[2:] == [{f"early_terminate.{key}"} for key in unused]


def test_hyperband_of_katib_has_its_longest_trial() -> None:
    settings = [{"name": "r_l", "value": "81"}, {"name": "eta", "value": "4"}]
    text = katib(
        algorithm={"algorithmName": "hyperband", "algorithmSettings": settings}
    )
    assert policy(text) == {
        "type": "hyperband",
        "min_resource": 1,
        "reduction_factor": 4,
        "max_resource": 81,
    }
    assert sampling(text)["type"] == "random"


@pytest.mark.parametrize(
    ("advisor", "kind", "rule"),
    [
        (
            {"name": "Hyperband", "classArgs": {"R": 60, "eta": 3}},
            "random",
            {"min_resource": 1, "reduction_factor": 3, "max_resource": 60},
        ),
        (
            {"name": "BOHB", "classArgs": {"min_budget": 2, "max_budget": 54}},
            "tpe",
            {"min_resource": 2, "reduction_factor": 3, "max_resource": 54},
        ),
    ],
)
def test_advisors_of_nni(advisor: dict, kind: str, rule: dict) -> None:
    text = nni(tuner=None, advisor=advisor)
    assert policy(text) == {"type": "hyperband", **rule}
    assert sampling(text)["type"] == kind


def test_median_stopping_of_katib_and_nni() -> None:
    settings = [
        {"name": "min_trials_required", "value": "2"},
        {"name": "start_step", "value": "6"},
    ]
    stopping = {"algorithmName": "medianstop", "algorithmSettings": settings}
    expected = {"type": "median_stopping", "min_rivals": 2, "delay_evaluation": 6}
    assert policy(katib(earlyStopping=stopping)) == expected
    assessor = {"name": "Medianstop", "classArgs": {"start_step": 5}}
    expected = {"type": "median_stopping", "delay_evaluation": 5}
    assert policy(nni(assessor=assessor)) == expected


@pytest.mark.parametrize(
    ("pruner", "expected"),
    [
        ("NopPruner", {}),
        ("MedianPruner", {"type": "median_stopping", "min_rivals": 5}),
        (
            {"name": "MedianPruner", "n_startup_trials": 3, "n_warmup_steps": 9},
            {"type": "median_stopping", "min_rivals": 3, "delay_evaluation": 10},
        ),
        (
            {"type": "PercentilePruner", "_percentile": 30.0, "_interval_steps": 2},
            {
                "type": "truncation_selection",
                "truncation_percentage": 70,
                "min_rivals": 5,
                "evaluation_interval": 2,
            },
        ),
        (
            {"name": "SuccessiveHalvingPruner", "min_resource": "auto"},
            {"type": "asha", "min_resource": 1, "reduction_factor": 4},
        ),
        (
            {"name": "HyperbandPruner", "max_resource": 81},
            {
                "type": "hyperband",
                "min_resource": 1,
                "reduction_factor": 3,
                "max_resource": 81,
            },
        ),
        (
            {"name": "ThresholdPruner", "upper": 2.5, "n_warmup_steps": 4},
            {"type": "threshold", "upper": 2.5, "delay_evaluation": 5},
        ),
        (
            {"name": "PatientPruner", "patience": 4, "min_delta": 0.1},
            {"type": "patience", "patience": 4, "min_delta": 0.1},
        ),
    ],
)
def test_pruners_of_optuna(pruner: object, expected: dict) -> None:
    assert policy(optuna(pruner=pruner)) == expected


def test_a_pruner_that_this_site_lacks_is_left_out() -> None:
    text = optuna(pruner={"name": "WilcoxonPruner", "p_threshold": 0.1})
    assert policy(text) == {}
    assert noted(text, "pruner") and noted(text, "pruner.p_threshold")


@pytest.mark.parametrize(
    ("text", "path", "meant"),
    [
        (
            json.dumps({**AZURE, "sampling_algorithm": {"type": "random", "sead": 1}}),
            "sampling_algorithm.sead",
            "seed",
        ),
        (
            katib(algorithm={"algorithmName": "bayesianoptimisation"}),
            "spec.algorithm.algorithmName",
            "bayesianoptimization",
        ),
        (
            katib(earlyStopping={"algorithmName": "medianstp"}),
            "spec.earlyStopping.algorithmName",
            "medianstop",
        ),
        (nni(tuner={"name": "GridSerch"}), "tuner.name", "gridsearch"),
        (nni(assessor={"name": "Medianstopp"}), "assessor.name", "medianstop"),
        (optuna(sampler="TPPESampler"), "sampler", "TPESampler"),
        (optuna(pruner="MedianPrunner"), "pruner", "MedianPruner"),
    ],
)
def test_a_misspelled_sampler_or_rule_is_a_problem(
    text: str, path: str, meant: str
) -> None:
    try:
        problems = parse_problems(text)
    except InvalidImportError as error:
        problems = error.by_path()
    assert f"did you mean {meant}?" in problems[path][0]


def parse_problems(text: str) -> dict[str, list[str]]:
    imported = import_sweep(text)
    with pytest.raises(ValueError) as error:
        definition_of(imported)
    return error.value.by_path()


OURS = parse_document(
    {
        "trial": {"command": "fit --x=${{search_space.x}}"},
        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "objective": {"primary_metric": "loss", "goal": "minimize"},
        "limits": {"max_total_trials": 9},
    },
    new_seed=lambda: 0,
).dump()
# These come back unchanged; others have a note.
KEPT = {
    "azure": {"random", "grid", "bayesian"},
    "wandb": {"random", "grid", "bayesian"},
    "katib": {"random", "grid", "bayesian", "tpe", "cmaes", "sobol"},
}


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.parametrize("format", KEPT)
def test_a_sampler_comes_back_or_is_noted(format: str, kind: str) -> None:
    text, notes = export_sweep(
        {**OURS, "sampling_algorithm": {"type": kind, "seed": 1}}, format
    )
    back = import_sweep(text).document["sampling_algorithm"]
    if kind in KEPT[format]:
        assert back["type"] == kind
        assert "sampling_algorithm.type" not in {note.path for note in notes}
    elif (format, kind) == ("azure", "sobol"):
        assert (back["type"], back["rule"]) == ("random", "sobol")
    else:
        assert "sampling_algorithm.type" in {note.path for note in notes}


POLICY_CASES = {
    "bandit": {"slack_factor": 0.1},
    "median_stopping": {"delay_evaluation": 5},
    "truncation_selection": {"truncation_percentage": 20},
    "asha": {"min_resource": 2},
    "hyperband": {"min_resource": 2, "max_resource": 50},
    "wandb_hyperband": {"max_iter": 27, "s": 2, "eta": 2.5, "strict": True},
    "threshold": {"upper": 3},
    "patience": {"patience": 3},
}
KEPT_POLICIES = {
    "azure": {"bandit", "median_stopping", "truncation_selection"},
    "wandb": {"wandb_hyperband"},
    "katib": {"median_stopping"},
}


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize("format", KEPT_POLICIES)
def test_a_policy_comes_back_or_is_noted(format: str, kind: str) -> None:
    inner = [{"type": "patience", "patience": 3}, {"type": "threshold", "upper": 3}]
    own = POLICY_CASES.get(kind, {"policies": inner} if "_of" in kind else {})
    given = parse_document({**OURS, "early_termination": {"type": kind, **own}})
    text, notes = export_sweep(given.dump(), format)
    paths = [note.path for note in notes]
    if kind in KEPT_POLICIES[format]:
        back = definition_of(import_sweep(text)).early_termination
        assert back == given.early_termination
        assert not [path for path in paths if path.startswith("early_termination")]
    else:
        assert [path for path in paths if path.startswith("early_termination")]


def test_a_rule_for_values_that_are_not_numbers_is_noted() -> None:
    rule = {"type": "median_stopping", "on_missing": "stop"}
    given = parse_document({**OURS, "early_termination": rule})
    for format in ("azure", "katib"):
        notes = export_sweep(given.dump(), format)[1]
        assert "early_termination.on_missing" in {note.path for note in notes}


def test_hyperband_has_one_bracket_at_weights_and_biases() -> None:
    rule = {"type": "hyperband", "min_resource": 2, "max_resource": 50}
    given = parse_document({**OURS, "early_termination": rule})
    text, notes = export_sweep(given.dump(), "wandb")
    written = yaml.safe_load(text)["early_terminate"]
    assert written == {"type": "hyperband", "min_iter": 2, "eta": 3, "strict": False}
    paths = {note.path for note in notes}
    assert {"early_termination.type", "early_termination.max_resource"} <= paths
