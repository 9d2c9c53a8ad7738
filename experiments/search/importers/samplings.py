"""The sampling of foreign documents, as long as this site lacks some of the samplers.

What the registry of samplers has is carried over unchanged; random search stands in
for anything else that other systems know, with a note.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from experiments.search.importers.source import Log
from experiments.search.problems import Findings, join
from experiments.search.records import JSONValue
from experiments.search.samplers import SAMPLERS, read_sampling

# The samplers that foreign documents may name, as a sentence calls them.
FOREIGN: Mapping[str, str] = {
    "bayesian": "Bayesian sampler",
    "tpe": "TPE sampler",
    "cmaes": "CMA-ES sampler",
    "sobol": "Sobol sampler",
    "auto": "sampler that chooses the method itself",
}
# What random search keeps of another sampler's settings.
KEPT = ("seed", "logbase")
GRID = "Try the grid when every value is a choice."


def available(kind: str, *, known: Collection[str] = SAMPLERS) -> str:
    """A sampler's name if this site has it, otherwise that of random search."""
    return kind if kind in known else "random"


def model_based(*, known: Collection[str] = SAMPLERS) -> str:
    """What to try where another system's search learns from its trials."""
    models = [kind for kind in ("bayesian", "tpe", "cmaes") if kind in known]
    return f"Choose a model-based sampler, such as {models[0]}." if models else GRID


def has_rule(rule: object) -> bool:
    """Whether random search here knows a rule."""
    settings = {"type": "random", "rule": rule}
    return read_sampling(settings, Findings(), path="") is not None


def sampled_here(
    settings: dict[str, JSONValue],
    log: Log,
    path: str,
    *,
    inside: str = "",
    known: Collection[str] = SAMPLERS,
) -> dict[str, JSONValue]:
    """The settings of a foreign document's sampling, by samplers of this site.

    `path` is that of the foreign setting that names the sampler, `inside` that of the
    mapping that holds the other settings, where there is one. Names that no system has
    stay as they are, for the parser to refuse.
    """
    kind = settings.get("type")
    if isinstance(kind, str) and kind in FOREIGN and kind not in known:
        _note(log, path, FOREIGN[kind])
        for key in settings:
            if key not in (*KEPT, "type"):
                message = f"{key} has no counterpart in random sampling."
                log.left_out(join(inside or path, key), message)
        kept = {key: settings[key] for key in KEPT if key in settings}
        return {"type": "random", **kept}
    if kind in (None, "random") and _is_sobol(settings) and not has_rule("sobol"):
        _note(log, join(inside, "rule") if inside else path, "Sobol sequence")
        return {key: value for key, value in settings.items() if key != "rule"}
    return settings


def _is_sobol(settings: Mapping[str, JSONValue]) -> bool:
    rule = settings.get("rule")
    return isinstance(rule, str) and rule.lower() == "sobol"


def _note(log: Log, path: str, what: str) -> None:
    message = f"There is no {what} here yet; the sweep draws at random."
    log.changed(path, message, GRID)
