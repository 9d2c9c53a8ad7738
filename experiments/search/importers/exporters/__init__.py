"""Sweep documents written for other systems, with what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from experiments.search.importers.exporters.azure import export_azure
from experiments.search.importers.exporters.katib import export_katib
from experiments.search.importers.exporters.optuna import export_optuna
from experiments.search.importers.exporters.wandb import export_wandb
from experiments.search.importers.imported import Note
from experiments.search.importers.source import Log, Source
from experiments.search.problems import DefinitionError, Problem, unknown_name

EXPORTERS: Mapping[str, Callable[[Source], str]] = {
    "azure": export_azure,
    "wandb": export_wandb,
    "katib": export_katib,
    "optuna": export_optuna,
}


def export_sweep(
    document: Mapping[str, object], format: str
) -> tuple[str, tuple[Note, ...]]:
    """A valid sweep document as the text of azure, wandb, katib or optuna.

    The notes have the document's own paths. Raises DefinitionError for another format
    or for a document that is not in its canonical form (`SweepDefinition.dump`).
    """
    if format not in EXPORTERS:
        message = unknown_name(format, EXPORTERS, kind="format to export")
        raise DefinitionError([Problem("", message)])
    log = Log(suggests=False)
    text = EXPORTERS[format](Source(document, "", log))
    log.findings.raise_if_any()
    return text, log.in_order()
