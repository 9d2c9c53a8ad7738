"""The algorithm and the early stopping of a Katib experiment, with their settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from experiments.search.importers.missing import MODEL_BASED
from experiments.search.importers.policies import brackets, halving
from experiments.search.importers.source import Log, Source
from experiments.search.problems import shown
from experiments.search.records import JSONValue

Settings: TypeAlias = "dict[str, JSONValue]"
ALGORITHMS: Mapping[str, Settings] = {
    "random": {"type": "random"},
    "grid": {"type": "grid"},
    "bayesianoptimization": {"type": "bayesian"},
    "tpe": {"type": "tpe"},
    "multivariate-tpe": {"type": "tpe"},
    "cmaes": {"type": "cmaes"},
    "sobol": {"type": "sobol"},
    "hyperband": {"type": "random"},
}
# What Katib has, too, and no sampler here comes near to.
OTHERS = ("pbt", "enas", "darts")
# Settings of its algorithms that say how these work inside.
INNER = (
    "acq_func",
    "acq_optimizer",
    "base_estimator",
    "eta",
    "gamma",
    "n_ei_candidates",
    "n_initial_points",
    "n_population",
    "n_startup_trials",
    "prior_weight",
    "r_l",
    "resample_probability",
    "resource_name",
    "restart_strategy",
    "s_max",
    "sigma",
    "suggestion_trial_dir",
    "truncation_threshold",
)
RULE, RIVALS, START = "medianstop", "min_trials_required", "start_step"


class NamedSettings(Source):
    """A list of names and values, read as the mapping that it stands for."""

    def __init__(self, source: Source, key: str) -> None:
        values: dict[str, object] = {}
        self._places: dict[str, str] = {}
        for index, value in enumerate(source.items(key)):
            item = source.mapping(f"{key}.{index}", value)
            name = item.text("name")
            if name in values:
                item.problem("name", f"The setting {shown(name)} is given twice.")
            values[name] = item.take("value")
            self._places[name] = item.path
            item.close("a setting here", also=("name", "value"))
        super().__init__(values, source.at(key), source.log)

    def at(self, key: str | int) -> str:
        return self._places.get(str(key), self.path)


def read_algorithm(algorithm: Source) -> tuple[Settings, Settings]:
    """The sampling, and the policy that Hyperband implies."""
    name = algorithm.text("algorithmName").lower()
    settings = NamedSettings(algorithm, "algorithmSettings")
    wanted: Settings = dict(ALGORITHMS.get(name, {"type": "random"}))
    seed = settings.number("random_state")
    if seed is not None and name != "grid":
        wanted["seed"] = seed
        place = settings.at("random_state")
        algorithm.log.places.put("sampling_algorithm.seed", place, name="random_state")
    elif seed is not None:
        settings.leave("random_state", "A grid is walked in order and takes no seed.")
    policy = _brackets(algorithm, settings) if name == "hyperband" else {}
    if name not in ALGORITHMS:
        _refuse(algorithm, name)
    settings.close("the sampler here", also=INNER)
    algorithm.close("the sampling here", also=("algorithmName", "algorithmSettings"))
    return wanted, policy


def _brackets(algorithm: Source, settings: Source) -> Settings:
    """The policy that Hyperband implies; its resource is the length of a trial here."""
    eta, last = settings.number("eta") or 3, settings.number("r_l")
    fields = {"max_resource": "r_l", "reduction_factor": "eta"}
    for here, there in fields.items():
        path = settings.at(there)
        algorithm.log.places.put(f"early_termination.{here}", path, name=there)
    resource = settings.text("resource_name")
    if resource:
        settings.changed(
            "resource_name",
            f"{resource} is drawn like any other parameter; here it should be fixed, "
            "because trials are ended and not started anew.",
            "Make it an input of the sweep.",
        )
    if last is None:
        return halving(algorithm, 1, eta)
    return brackets(algorithm, 1, eta, last)


def _refuse(algorithm: Source, name: str) -> None:
    """Say what is done with an algorithm that is not here."""
    meant = algorithm.log.meant(name, [*ALGORITHMS, *OTHERS])
    if not name:
        algorithm.changed(
            "algorithmName",
            "The experiment names no algorithm; random search stands in.",
            MODEL_BASED,
        )
    elif meant is None or name in OTHERS:
        algorithm.changed(
            "algorithmName",
            f"There is no sampler {shown(name)} here; random search stands in.",
            MODEL_BASED,
        )
    else:
        message = f"There is no algorithm {shown(name)}; did you mean {meant}?"
        algorithm.problem("algorithmName", message)


def read_stopping(spec: Source) -> Settings:
    """The policy of `earlyStopping`; empty where there is none."""
    if not spec.has("earlyStopping"):
        return {}
    rule = spec.inner("earlyStopping")
    name = rule.text("algorithmName").lower()
    if name == RULE:
        rule.log.changed(
            rule.path,
            "Katib holds a trial's latest value against the first reports of trials "
            "that have ended; here its best is held against the averages of all.",
        )
    elif rule.log.meant(name, [RULE]):
        message = f"There is no rule {shown(name)}; did you mean {RULE}?"
        rule.problem("algorithmName", message)
    else:
        rule.changed(
            "algorithmName",
            f"There is no policy {shown(name)} here; median stopping stands in.",
        )
    settings = NamedSettings(rule, "algorithmSettings")
    rivals, start = settings.number(RIVALS), settings.number(START)
    _stand(rule.log, settings)
    settings.close("the policy here")
    rule.close("a policy here", also=("algorithmName", "algorithmSettings"))
    # Katib's own defaults.
    return {
        "type": "median_stopping",
        "min_rivals": 3 if rivals is None else rivals,
        "delay_evaluation": 4 if start is None else start,
    }


def _stand(log: Log, settings: Source) -> None:
    for here, there in (("min_rivals", RIVALS), ("delay_evaluation", START)):
        log.places.put(f"early_termination.{here}", settings.at(there), name=there)
