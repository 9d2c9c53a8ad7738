"""The part of Azure's `Run` that a training script in a sweep uses.

Metrics go to the runner as collected ones: if the script reports a name in another way
too, such as with MLflow, that counts and not this.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from time import time
from typing import Any

import sweepsite_client
from sweepsite_client._spool import PointSpool
from sweepsite_client._values import as_step, as_value

SET_TAG, TIMEOUT = "/api/2.0/mlflow/runs/set-tag", 5.0
_said: set[str] = set()


def _say_once(sentence: str) -> None:
    if sentence not in _said:
        _said.add(sentence)
        with contextlib.suppress(OSError):
            sys.stderr.write(f"sweepsite: {sentence}\n")


class NotServed:
    """In the place of what a trial does not have: all its methods do nothing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> NotServed:
        if name.startswith("__"):
            raise AttributeError(name)
        return NotServed(f"{self._name}.{name}")

    def __call__(self, *_: Any, **__: Any) -> NotServed:
        _say_once(f"{self._name}() of Azure does nothing in this trial")
        return self


class AzureRun:
    """Use `Run.get_context()`."""

    _context: AzureRun | None = None

    def __init__(self) -> None:
        spool = os.environ.get("SWEEPSITE_SPOOL")
        path = os.path.join(os.path.dirname(spool), "collected.jsonl") if spool else ""
        self._spool = PointSpool(path)
        self._steps: Counter[str] = Counter()
        self._metrics: dict[str, list[Any]] = {}
        self._tags: dict[str, Any] = {}
        self.id = sweepsite_client.trial_id()
        self.name = self.display_name = sweepsite_client.trial_name()
        self.experiment = NotServed("Run.experiment")
        self.parent: AzureRun | None = None

    @classmethod
    def get_context(cls, *_: Any, **__: Any) -> AzureRun:
        if cls._context is None:
            cls._context = cls()
        return cls._context

    def __getattr__(self, name: str) -> NotServed:
        if name.startswith("_"):
            raise AttributeError(name)
        return NotServed(f"Run.{name}")

    # --- metrics --------------------------------------------------------------------

    def log(
        self, name: str, value: Any, description: str = "", step: int | None = None
    ) -> None:
        self._report([(name, value)], step)

    def log_list(self, name: str, value: Iterable[Any], description: str = "") -> None:
        self._report([(name, each) for each in value])

    def log_row(self, name: str, description: str = "", **columns: Any) -> None:
        """Each column becomes a metric of the table, such as `table.loss`."""
        self._report([(f"{name}.{key}", value) for key, value in columns.items()])

    def log_table(
        self, name: str, value: Mapping[str, Any], description: str = ""
    ) -> None:
        for key, column in value.items():
            self.log_list(f"{name}.{key}", column if _is_list(column) else [column])

    def get_metrics(self, *_: Any, **__: Any) -> dict[str, Any]:
        logged = self._metrics.items()
        return {name: each[0] if len(each) == 1 else each for name, each in logged}

    def _report(self, pairs: list[tuple[str, Any]], step: int | None = None) -> None:
        points: list[dict[str, Any]] = []
        for name, given in pairs:
            value = as_value(given)
            if isinstance(given, (str, bytes)) or given is None:
                _say_once(f"Run.log of {name}: {given!r} is not a number; not kept")
                continue
            number = self._steps[name] if step is None else as_step(step)
            self._steps[name] = number + 1
            self._metrics.setdefault(name, []).append(given)
            # The order is part of the time: no two points are the same.
            moment = time() + len(points) * 1e-6
            point = {"name": name, "step": number, "value": value, "time": moment}
            points.append(point)
        try:
            self._spool.add(points)
        except OSError as problem:
            _say_once(f"Run.log: values wait in memory: {problem}")

    # --- files ----------------------------------------------------------------------

    def log_image(
        self, name: str, path: str | None = None, plot: Any = None, **_: Any
    ) -> None:
        if plot is not None:
            plot.savefig(_in_outputs(f"{name}.png"))
        elif path is not None:
            self.upload_file(name + os.path.splitext(path)[1], path)

    def upload_file(self, name: str, path_or_stream: Any, *_: Any, **__: Any) -> None:
        """Copies it to the outputs, which are kept with the trial."""
        target = _in_outputs(name)
        if hasattr(path_or_stream, "read"):
            data = path_or_stream.read()
            with open(target, "wb" if isinstance(data, bytes) else "w") as file:
                file.write(data)
        elif os.path.abspath(path_or_stream) != target:
            shutil.copyfile(path_or_stream, target)

    def upload_folder(self, name: str, path: str, *_: Any, **__: Any) -> None:
        target = os.path.dirname(_in_outputs(os.path.join(name, "_")))
        if os.path.abspath(path) != target:
            shutil.copytree(path, target, dirs_exist_ok=True)

    # --- the run --------------------------------------------------------------------

    def tag(self, key: str, value: Any = None) -> None:
        """Keeps it as a tag of the trial."""
        self._tags[key] = value
        tag = {"run_id": os.environ.get("MLFLOW_RUN_ID"), "key": key}
        tag["value"] = "" if value is None else str(value)
        root = os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/")
        token = os.environ.get("MLFLOW_TRACKING_TOKEN", "")
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }
        try:
            data = json.dumps(tag).encode()
            # The address is the site's own.
            request = urllib.request.Request(root + SET_TAG, data, headers)  # noqa: S310
            answer = urllib.request.urlopen(  # noqa: S310 # nosec B310
                request, timeout=TIMEOUT
            )
            answer.close()
        except (OSError, ValueError) as problem:
            _say_once(f"Run.tag: the tag {key!r} is not kept: {problem}")

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        for key, value in tags.items():
            self.tag(key, value)

    def get_tags(self) -> dict[str, Any]:
        return dict(self._tags)

    def get_status(self) -> str:
        return "Running"

    def flush(self, *_: Any, **__: Any) -> None:
        """Nothing waits."""

    # The end of the process is the end of the trial.
    start = complete = cancel = wait_for_completion = flush

    def fail(self, error_details: Any = None, *_: Any, **__: Any) -> None:
        reason = f": {error_details}" if error_details else ""
        _say_once(f"Run.fail{reason}; a trial fails by its exit code")


Run = AzureRun


class OfflineRun(AzureRun):
    """For scripts that ask whether their run is one: it is not."""


_OfflineRun = OfflineRun


def _is_list(value: Any) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, (str, bytes))


def _in_outputs(name: str) -> str:
    """A path in the outputs folder; a name cannot leave it."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    if len(parts) > 1 and parts[0] == "outputs":
        del parts[0]
    target = os.path.join(os.path.abspath(sweepsite_client.outputs()), *parts)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    return target
