"""What a sweep is, in the names of Azure's v1 SDK, and as a document of this site."""

from __future__ import annotations

import enum
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ._requests import RequestError

MINUTE = 60


def _distribution(kind: str) -> Any:
    def made(*values: Any) -> str:
        return f"{kind}({', '.join(_literal(value) for value in values)})"

    made.__name__ = made.__qualname__ = kind
    made.__doc__ = f"The distribution {kind}, as a sweep document writes it."
    return made


randint, uniform, quniform = map(_distribution, ("randint", "uniform", "quniform"))
loguniform, qloguniform = map(_distribution, ("loguniform", "qloguniform"))
normal, qnormal = map(_distribution, ("normal", "qnormal"))
lognormal, qlognormal = map(_distribution, ("lognormal", "qlognormal"))


def choice(*options: Any) -> str:
    """One of these values, or of those of the only argument, such as range(3)."""
    if len(options) == 1 and isinstance(options[0], (list, tuple, range)):
        options = tuple(options[0])
    return f"choice({', '.join(map(_literal, options))})"


def _literal(value: Any) -> str:
    """As Python writes it; numpy's scalars are plain numbers."""
    return repr(value.item() if hasattr(value, "item") else value)


class PrimaryMetricGoal(enum.Enum):
    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class _Sampling:
    kind = ""

    def __init__(self, parameter_space: Mapping[str, str], **settings: Any) -> None:
        self.parameter_space, self.settings = dict(parameter_space), settings


class RandomParameterSampling(_Sampling):
    kind = "random"


class GridParameterSampling(_Sampling):
    kind = "grid"


class BayesianParameterSampling(_Sampling):
    kind = "bayesian"


class _Policy:
    """An early termination policy, with the settings that were given."""

    def __init__(self, kind: str, **settings: Any) -> None:
        given = {name: value for name, value in settings.items() if value is not None}
        self.document = {"type": kind, **given} if kind else None


class BanditPolicy(_Policy):
    def __init__(
        self,
        evaluation_interval: int = 1,
        slack_factor: float | None = None,
        slack_amount: float | None = None,
        delay_evaluation: int = 0,
    ) -> None:
        super().__init__(
            "bandit",
            evaluation_interval=evaluation_interval,
            slack_factor=slack_factor,
            slack_amount=slack_amount,
            delay_evaluation=delay_evaluation,
        )


class MedianStoppingPolicy(_Policy):
    def __init__(self, evaluation_interval: int = 1, delay_evaluation: int = 0) -> None:
        super().__init__(
            "median_stopping",
            evaluation_interval=evaluation_interval,
            delay_evaluation=delay_evaluation,
        )


class TruncationSelectionPolicy(_Policy):
    def __init__(
        self,
        truncation_percentage: int,
        evaluation_interval: int = 1,
        delay_evaluation: int = 0,
        exclude_finished_jobs: bool = False,
    ) -> None:
        super().__init__(
            "truncation_selection",
            truncation_percentage=truncation_percentage,
            evaluation_interval=evaluation_interval,
            delay_evaluation=delay_evaluation,
            exclude_finished_jobs=exclude_finished_jobs,
        )


class NoTerminationPolicy(_Policy):
    def __init__(self) -> None:
        super().__init__("")


class ScriptRunConfig:
    """The script and its arguments. Environment and compute target are not used:
    trials run in the environment of the workers."""

    def __init__(
        self,
        source_directory: str = ".",
        script: str = "",
        arguments: Sequence[Any] = (),
        *ignored: Any,
        command: str | Sequence[Any] = "",
        **unused: Any,
    ) -> None:
        self.source_directory = source_directory or "."
        self._words = _words(command) or ["python", script]
        if not command and not script:
            raise ValueError("ScriptRunConfig needs a script or a command")
        self._words += [str(word) for word in arguments or ()]

    def trial(self, options: Sequence[str]) -> dict[str, Any]:
        words = (w if w.startswith("${{") else shlex.quote(w) for w in self._words)
        return {
            "code": self.source_directory,
            "command": " ".join([*words, *options]),
        }


def _words(command: str | Sequence[Any]) -> list[str]:
    if isinstance(command, str):
        return shlex.split(command)
    return [str(word) for word in command]


class HyperDriveConfig:
    """A sweep. Raises ValueError for a configuration without a script."""

    def __init__(
        self,
        hyperparameter_sampling: _Sampling,
        primary_metric_name: str,
        primary_metric_goal: PrimaryMetricGoal | str,
        max_total_runs: int,
        max_concurrent_runs: int | None = None,
        max_duration_minutes: float | None = 10_080,
        policy: _Policy | None = None,
        estimator: ScriptRunConfig | None = None,
        run_config: ScriptRunConfig | None = None,
        **unused: Any,
    ) -> None:
        start = run_config or estimator
        if not isinstance(start, ScriptRunConfig):
            raise ValueError(
                "run_config must be a ScriptRunConfig, which has the script"
            )
        self._start, self._sampling = start, hyperparameter_sampling
        self._policy = policy
        goal = str(getattr(primary_metric_goal, "value", primary_metric_goal)).lower()
        self._objective = {"primary_metric": primary_metric_name, "goal": goal}
        limits = {
            "max_total_trials": max_total_runs,
            "max_concurrent_trials": max_concurrent_runs,
            "timeout": max_duration_minutes and round(max_duration_minutes * MINUTE),
        }
        self._limits = {name: value for name, value in limits.items() if value}

    def document(self, experiment: str, pool: str = "") -> dict[str, Any]:
        """As this site has it. Each parameter comes to the script as an option."""
        given = self._sampling.parameter_space
        space = {name.lstrip("-").replace("-", "_"): given[name] for name in given}
        if len(space) < len(given):
            raise RequestError(f"Two parameters have one name: {', '.join(given)}.")
        options = [
            f"{name if name.startswith('-') else '--' + name}"
            f" ${{{{search_space.{ours}}}}}"
            for name, ours in zip(given, space)
        ]
        document = {
            "experiment_name": experiment,
            "trial": self._start.trial(options),
            "search_space": space,
            "sampling_algorithm": {
                "type": self._sampling.kind,
                **_sampler_settings(self._sampling.settings),
            },
            "objective": self._objective,
            "limits": self._limits,
        }
        if self._policy is not None and self._policy.document is not None:
            document["early_termination"] = self._policy.document
        return {**document, "compute": pool} if pool else document


def _sampler_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`properties` of the SDK's BayesianParameterSampling has no counterpart."""
    return {k: v for k, v in settings.items() if k == "seed" and v is not None}
