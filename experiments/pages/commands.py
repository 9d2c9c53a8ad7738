"""A trial's command, to run it by hand."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.models import CodeSnapshot, Trial
from experiments.search.command import CommandError, render_command, value_text


@dataclass(frozen=True)
class HandRun:
    """``line`` is one line for a POSIX shell, ``environment`` what it needs set."""

    line: str
    environment: str
    parameters: str
    code: CodeSnapshot | None


def hand_run(trial: Trial) -> HandRun | None:
    """None for trials that the site does not start, or whose command has changed."""
    sweep = trial.sweep
    if sweep is None:
        return None
    template = sweep.definition.get("trial", {})
    if not template.get("command"):
        return None
    try:
        argv = render_command(
            template["command"], trial.params, sweep.definition.get("inputs", {})
        )
    except CommandError:
        return None
    given = template.get("environment_variables") or {}
    parameters = {f"AZUREML_SWEEP_{k}": value_text(v) for k, v in trial.params.items()}
    return HandRun(
        line=" ".join([*_assignments(given), shlex.join(argv)]),
        environment="\n".join(
            f"export {line}" for line in _assignments({**given, **parameters})
        ),
        parameters="\n".join(f"{k}: {value_text(v)}" for k, v in trial.params.items()),
        code=sweep.code,
    )


def _assignments(values: Mapping[str, object]) -> list[str]:
    return [f"{name}={shlex.quote(str(value))}" for name, value in values.items()]
