"""Scripts and notebooks that use one of Azure's SDKs: which sweeps they have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from experiments.search.fields import listed
from experiments.search.formats.azure_sdk import sdk_sweeps
from experiments.search.formats.azure_v1 import (
    hyperdrive_sweeps,
    loose_sweep,
    read_hyperdrive,
)
from experiments.search.formats.nodes import Log
from experiments.search.formats.python_text import (
    PythonText,
    called,
    is_named,
    owner_of,
    read_python,
)
from experiments.search.records import JSONObject

HINT = re.compile(
    r"ParameterSampling\s*\(|HyperDrive(?:Run)?Config\s*\(|\.sweep\s*\(|automl|"
    r"AutoML|\b(?:q?(?:log)?(?:uniform|normal)|choice|randint)\s*\(|Policy\s*\("
)
AUTOML = (
    "This is an automated ML job of Azure: it chooses among Azure's own models and has"
    " no search space over a training script, so it cannot become a sweep. Write a"
    " script that trains one model, and search over its parameters."
)
AUTOML_CALLS = ("AutoMLConfig", "classification", "regression", "forecasting")


def sweeps_of(script: PythonText) -> Mapping[str, Callable[[Log], JSONObject]]:
    """What reads each sweep of a script, by its name there."""
    jobs = {label: sweep.document for label, sweep in sdk_sweeps(script).items()}
    configs = hyperdrive_sweeps(script) or ({} if jobs else loose_sweep(script))
    read = {label: partial(read_hyperdrive, given) for label, given in configs.items()}
    return {**read, **jobs}


def azure_script(content: str) -> PythonText | None:
    """Python with a sweep or an automated ML job; None for any other text."""
    script = read_python(content) if HINT.search(content) else None
    if script is None or not (sweeps_of(script) or _is_automl(script)):
        return None
    return script


def _is_automl(script: PythonText) -> bool:
    return any(
        called(call) == "AutoMLConfig" or is_named(owner_of(call), "automl")
        for _, call in script.calls(*AUTOML_CALLS)
    )


def read_script(script: PythonText, log: Log, name: str = "") -> JSONObject:
    """The sweep document of the sweep with a name, or of the only one."""
    sweeps = sweeps_of(script)
    if not sweeps:
        log.problem("", AUTOML)
        log.diagnostics.raise_if_any()
    if name not in sweeps and len(sweeps) > 1:
        names = listed(sweeps)
        log.problem(
            "", f"It has {len(sweeps)} sweeps, {names}; choose one by its name."
        )
        log.diagnostics.raise_if_any()
    read = sweeps.get(name) or next(iter(sweeps.values()))
    document = read(log)
    if rest := script.unread():
        statements = "statement is" if rest == 1 else "statements are"
        log.left_out("", f"{rest} other {statements} not about the sweep.")
    return document
