"""What is needed to run a trial again: its command with variables, its packages."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.formatting import bytes_text, code_words
from experiments.models import Trial
from experiments.models.environments import LEFT_OUT, whole_environments
from experiments.runner.command import PYTHON_NAMES
from experiments.runner.environment import ALLOWED, ALLOWED_PREFIXES
from experiments.search.document.command import (
    CommandError,
    placeholders,
    render_command,
    value_text,
)
from experiments.search.wording import counted

# Variables that the site sets for each trial. Those of the machine are ALLOWED.
OF_SITE = re.compile(r"PYTHONPATH|PYTHONUNBUFFERED|MLFLOW_\w+|ALL_PROXY", re.IGNORECASE)
# In place of the attempt's folder, which is gone.
GONE = "…"
NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Reproduction:
    """``document``: the environment that was stored for it, with its large fields."""

    trial: Trial
    document: Mapping[str, Any]

    @property
    def packages(self) -> Sequence[str]:
        return self.document.get("packages") or ()

    @property
    def package_lines(self) -> str:
        return "\n".join(self.packages)

    @property
    def variables(self) -> Sequence[tuple[str, str | None]]:
        return sorted((self.document.get("variables") or {}).items())

    @property
    def hidden(self) -> int:
        return sum(value is None for _, value in self.variables)

    @property
    def left_out(self) -> Sequence[str]:
        return self.document.get(LEFT_OUT) or ()

    def texts(self) -> dict[str, str]:
        """By name: the command for a shell, its variables, its values."""
        return {
            "Shell": self.command(),
            "Environment": "\n".join(f"export {each}" for each in self._exports()),
            "Values": "\n".join(f"{n}: {t}" for n, t in self._values().items()),
        }

    def command(self) -> str:
        """For a POSIX shell; "" if it is not known."""
        argv = list(self.document.get("command") or self._planned())
        if not argv:
            return ""
        python = self.document.get("interpreter") or self._template.get("python") or ""
        if argv[0] in PYTHON_NAMES:
            argv[0] = python or argv[0]
        parts = _assignments({**self._own_variables(), **self._parameters()})
        if os.path.isabs(python) and not _is_python(argv[0]):
            # A script that starts python finds the same one.
            folder = shlex.quote(os.path.dirname(python))
            parts.insert(0, f'PATH={folder}:"$PATH"')
        return " ".join([*parts, shlex.join(argv)])

    def _parameters(self, *, whole: bool = False) -> dict[str, str]:
        """The values as a trial gets them. Those in the command have no variable of
        AzureML's, except with ``whole``."""
        if self.trial.sweep is None:
            return {}
        used = placeholders(self._template.get("command") or "")
        placed = {each.name for each in used if each.group == "search_space"}
        names = {n for n in self.trial.params if placed and n not in placed}
        texts = self._values().items()
        values = {f"AZUREML_SWEEP_{n}": t for n, t in texts if whole or n in names}
        return {"SWEEPSITE_PARAMS": json.dumps(self.trial.params), **values}

    def _planned(self) -> list[str]:
        """The command of the sweep with the trial's values."""
        template = self._template.get("command")
        if not template or self.trial.sweep is None:
            return []
        inputs = self.trial.sweep.definition.get("inputs", {})
        try:
            return render_command(template, self.trial.params, inputs)
        except CommandError:
            return []

    @property
    def _template(self) -> Mapping[str, Any]:
        sweep = self.trial.sweep
        return sweep.definition.get("trial", {}) if sweep else {}

    def _own_variables(self) -> dict[str, object]:
        """The document's, and those that an administrator added; None is a secret."""
        given = self._template.get("environment_variables") or {}
        sent = dict(self.variables)
        added = {
            name: value
            for name, value in sent.items()
            if name not in given and not _is_usual(name) and GONE not in (value or "")
        }
        own = {name: sent.get(name, value) for name, value in given.items()}
        # The worker puts the folder of the client first.
        path = sent.get("PYTHONPATH") or own.pop("PYTHONPATH", None) or ""
        folders = [each for each in path.split(os.pathsep) if each and GONE not in each]
        first = {"PYTHONPATH": os.pathsep.join(folders)} if folders else {}
        return {**own, **added, **first}

    def _values(self) -> dict[str, str]:
        return {name: value_text(value) for name, value in self.trial.params.items()}

    def _exports(self) -> list[str]:
        parameters = self._parameters(whole=True)
        return _assignments({**self._own_variables(), **parameters})

    def facts(self) -> Iterator[tuple[str, str]]:
        """Names and texts for people."""
        known = self.document
        where = ", ".join(filter(None, [known.get("host"), known.get("os")]))
        if where:
            yield "host", where
        if known.get("cpu"):
            cores, memory = known.get("cpus"), known.get("memory")
            parts = [known["cpu"], cores and counted(cores, "core")]
            parts.append(memory and f"{bytes_text(memory)} of memory")
            yield "processor", ", ".join(filter(None, parts))
        if known.get("gpus"):
            driver = f", driver {known['driver']}" if known.get("driver") else ""
            yield "GPUs", "; ".join(known["gpus"]) + driver
        if known.get("python"):
            yield (
                "Python",
                ", ".join(filter(None, [known["python"], known.get("interpreter")])),
            )
        yield from self._code_facts()
        if known.get("seed") is not None:
            yield "sweep's seed" if self.trial.sweep else "seed", str(known["seed"])
        if known.get("document"):
            yield "document", f"SHA-256 {known['document'][:16]}"

    def _code_facts(self) -> Iterator[tuple[str, str]]:
        known, sweep = self.document, self.trial.sweep
        if words := code_words(sweep) if sweep else "":
            yield "code", words
        elif known.get("code"):
            yield "code", f"snapshot {known['code'][:16]}"
        for name in ("script", "repository", "branch", "commit"):
            if known.get(name):
                yield name, str(known[name])


def _is_python(program: str) -> bool:
    return os.path.basename(program).startswith("python")


def _is_usual(name: str) -> bool:
    """Whether a worker passes it on from its machine, or the site sets it."""
    is_passed = name in ALLOWED or name.startswith(ALLOWED_PREFIXES)
    return is_passed or OF_SITE.fullmatch(name) is not None


def _assignments(values: Mapping[str, object]) -> list[str]:
    """``NAME=value`` for a shell. A secret is read from the caller's environment."""
    return [
        f'{name}="${name}"' if value is None else f"{name}={shlex.quote(str(value))}"
        for name, value in values.items()
        if NAME.fullmatch(name)
    ]


def reproduction_of(trial: Trial) -> Reproduction:
    """One query, if the trial was read with its run."""
    (document,) = whole_environments(getattr(trial, "run", None))
    return Reproduction(trial, document)
