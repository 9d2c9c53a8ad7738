"""Workspace, experiment and runs of Azure's v1 SDK, on top of this site."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ._hyperdrive_config import HyperDriveConfig
from ._requests import RequestError
from ._site import RemoteSite, connect
from ._sweep import RemoteSweep

# Azure's words for a run's state.
STATES = {
    "draft": "NotStarted",
    "queued": "Queued",
    "running": "Running",
    "paused": "Paused",
    "completed": "Completed",
    "terminated": "Canceled",
    "cancelled": "Canceled",
    "failed": "Failed",
}


class Workspace:
    """This site. `pool` is where trials run, by default the team's default pool."""

    def __init__(self, url: str = "", token: str = "", *, pool: str = "") -> None:
        self.site: RemoteSite = connect(url, token)
        self.pool, self.name = pool, self.site.url

    @classmethod
    def from_config(cls, *ignored: Any, pool: str = "", **unused: Any) -> Workspace:
        """The site of SWEEPSITE_URL, or of the login."""
        return cls(pool=pool)


class HyperDriveExperiment:
    def __init__(self, workspace: Workspace, name: str) -> None:
        self.workspace, self.name = workspace, name

    def submit(
        self, config: HyperDriveConfig, tags: Mapping[str, str] | None = None
    ) -> HyperDriveRun:
        """Create the sweep and start it. Raises RequestError."""
        if not isinstance(config, HyperDriveConfig):
            kind = type(config).__name__
            raise RequestError(
                f"A {kind} is one run, and this site starts sweeps: submit a"
                " HyperDriveConfig, or run the script yourself."
            )
        document = config.document(self.name, self.workspace.pool)
        if tags:
            document["tags"] = dict(tags)
        return HyperDriveRun(self, self.workspace.site.sweep(document).start())

    def get_runs(self) -> list[HyperDriveRun]:
        """Its sweeps, the newest first."""
        found = self.workspace.site.sweeps(experiment=self.name)
        return [HyperDriveRun(self, sweep) for sweep in found]


class HyperDriveRun:
    """A sweep."""

    def __init__(self, experiment: HyperDriveExperiment, sweep: RemoteSweep) -> None:
        self.experiment, self.sweep = experiment, sweep

    @property
    def id(self) -> str:
        return self.sweep.name

    def __repr__(self) -> str:
        return f"Run(Experiment: {self.experiment.name}, Id: {self.id})"

    def get_portal_url(self) -> str:
        return self.sweep.url

    def get_status(self) -> str:
        return STATES.get(self.sweep.refresh().state, "Running")

    def wait_for_completion(
        self, show_output: bool = False, **unused: Any
    ) -> dict[str, Any]:
        """Wait for the end, with a progress bar if asked. Raises RequestError if the
        sweep does not complete."""
        self.sweep.watch(quiet=not show_output)
        if self.sweep.state != "completed":
            message = self.sweep.facts["message"]
            raise RequestError(f"{self.id} is {self.sweep.state}: {message}")
        return self.get_details()

    def get_details(self) -> dict[str, Any]:
        facts = self.sweep.refresh().facts
        return {
            "runId": self.id,
            "status": STATES.get(facts["state"], "Running"),
            "startTimeUtc": facts["started_at"],
            "endTimeUtc": facts["ended_at"],
            "properties": {"primary_metric_config": facts["primary_metric"]},
        }

    def get_best_run_by_primary_metric(self, **unused: Any) -> ChildRun | None:
        best = self.sweep.best()
        return ChildRun(self, best) if best else None

    def get_children(self, **unused: Any) -> list[ChildRun]:
        """Its trials, the newest first, as the SDK has them."""
        return [ChildRun(self, row) for row in self.sweep.trials(sort="-number")]

    def get_children_sorted_by_primary_metric(
        self, top: int = 0, reverse: bool = False, discard_no_metric: bool = False
    ) -> list[dict[str, Any]]:
        """Rows of its trials, the best first; `reverse`: the worst first."""
        rows = self.sweep.trials()
        known = [row for row in rows if row["value"] is not None]
        highest = (self.sweep.facts["goal"] == "maximize") != reverse
        known.sort(key=lambda row: float(row["value"]), reverse=highest)
        if not discard_no_metric:
            known += [row for row in rows if row["value"] is None]
        found = [
            {
                "run_id": row["name"],
                "hyperparameters": json.dumps(row["params"]),
                "best_primary_metric": row["value"],
                "status": STATES[row["state"]],
            }
            for row in known
        ]
        return found[:top] if top else found

    def get_metrics(self, **unused: Any) -> dict[str, Any]:
        """The metrics of each trial, by its id."""
        return {run.id: run.get_metrics() for run in self.get_children()}

    def get_hyperparameters(self) -> dict[str, str]:
        """The values of each trial as JSON, by its id."""
        return {row["name"]: json.dumps(row["params"]) for row in self.sweep.trials()}

    def cancel(self) -> None:
        self.sweep.cancel()


class ChildRun:
    """A trial."""

    def __init__(self, parent: HyperDriveRun, row: Mapping[str, Any]) -> None:
        self.parent, self.experiment = parent, parent.experiment
        self._row = dict(row)
        self.id = str(row["name"])

    def __repr__(self) -> str:
        return f"Run(Experiment: {self.experiment.name}, Id: {self.id})"

    def get_portal_url(self) -> str:
        return str(self._row["url"])

    def get_status(self) -> str:
        return STATES[self._row["state"]]

    def get_metrics(self, name: str = "", **unused: Any) -> dict[str, Any]:
        """Each metric's value, or the list of its values if it was logged often."""
        found: dict[str, list[Any]] = {}
        for point in self.parent.sweep.metrics(self._row, name):
            found.setdefault(point["name"], []).append(point["value"])
        return {
            n: values if len(values) > 1 else values[0] for n, values in found.items()
        }

    def get_hyperparameters(self) -> dict[str, Any]:
        return dict(self._row["params"])

    def get_details(self) -> dict[str, Any]:
        arguments = [
            text
            for name, value in self._row["params"].items()
            for text in (f"--{name}", str(value))
        ]
        return {
            "runId": self.id,
            "status": self.get_status(),
            "runDefinition": {"arguments": arguments},
        }

    def get_file_names(self) -> list[str]:
        return [file["path"] for file in self.parent.sweep.files(self._row)]

    def download_file(self, name: str, output_file_path: str = "") -> None:
        """Save one output, under its own name if there is no other. Azure's names begin
        with outputs/, which may be left out here."""
        short = name[len("outputs/") :] if name.startswith("outputs/") else name
        for file in self.parent.sweep.files(self._row):
            if file["path"] in (name, short):
                target = output_file_path or os.path.basename(name)
                self.parent.sweep.save_file(self._row, file, target)
                return
        known = ", ".join(self.get_file_names()) or "none"
        raise RequestError(
            f"{self.id} has no output {name!r}; its outputs are: {known}."
        )
