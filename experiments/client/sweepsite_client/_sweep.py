"""A sweep of the site: start it, watch it, read its results, run its trials."""

from __future__ import annotations

import functools
import importlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ._asked import AskedTrial, ask, optimize
from ._connection import GONE
from ._progress import ProgressDisplay
from ._requests import RequestError, Requests, new_key

POLL_SECONDS = 2.0
# Times in a row that watch() finds no site; about two minutes.
MAX_AWAY = 30
ENDED, LIVE = ("completed", "failed", "cancelled"), ("running", "queued")
COLUMNS = ("number", "state", "value", "reports", "elapsed", "reason", "url")


class RemoteSweep:
    """One sweep. All methods raise RequestError."""

    def __init__(self, requests: Requests, facts: Mapping[str, Any]) -> None:
        self._requests = requests
        self.facts = dict(facts)
        self.id = int(facts["id"])
        # What the system of the last document() does not have.
        self.export_notes: list[dict[str, Any]] = []

    def __repr__(self) -> str:
        return f"<RemoteSweep {self.name}: {self.facts['state']}>"

    @property
    def name(self) -> str:
        """Such as digits-3."""
        return str(self.facts["name"])

    @property
    def url(self) -> str:
        """Of its page."""
        return str(self.facts["url"])

    @property
    def state(self) -> str:
        """As it was when the site was last asked; refresh() asks again."""
        return str(self.facts["state"])

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What a document of another system lost or changed on its way."""
        return list(self.facts.get("import_notes", ()))

    def refresh(self) -> RemoteSweep:
        self.facts = {**self.facts, **self._requests.poll(f"sweeps/{self.id}")}
        return self

    def start(self) -> RemoteSweep:
        return self._step("start")

    def pause(self) -> RemoteSweep:
        return self._step("pause")

    def resume(self) -> RemoteSweep:
        return self._step("resume")

    def cancel(self) -> RemoteSweep:
        return self._step("cancel")

    def extend(self, trials: int) -> RemoteSweep:
        """Resume an ended sweep for this many more trials."""
        return self._step("extend", {"trials": trials}, once=new_key())

    def _step(
        self,
        action: str,
        body: Mapping[str, Any] | None = None,
        once: str = "again",  # most steps are safe to repeat
    ) -> RemoteSweep:
        made = self._requests.post(f"sweeps/{self.id}/{action}", body, once=once)
        self.facts.update(made)
        return self

    def watch(self, *, seconds: float = 0.0, quiet: bool = False) -> RemoteSweep:
        """Show its progress until it ends, or for this long: a bar in a terminal and in
        a notebook, a line per change elsewhere.

        `quiet` shows nothing. A site that is away for a while does not end it. A sweep
        that paused itself after failures does, as nothing would happen any more.
        """
        deadline = time.monotonic() + seconds if seconds else float("inf")
        shown, away = ProgressDisplay(), 0
        while True:
            try:
                self.refresh()
                away = 0
            except RequestError as problem:
                away += 1
                if problem.status in GONE or away > MAX_AWAY:
                    raise
            if not quiet:
                shown.show(self.facts)
            over = self.has_ended or self._has_paused_itself()
            if over or time.monotonic() + POLL_SECONDS > deadline:
                shown.end()
                return self
            time.sleep(POLL_SECONDS)

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    def _has_paused_itself(self) -> bool:
        """And waits for a person. A person who paused it may resume it soon."""
        own = self.state == "paused" and self.facts["reason"] not in ("", "user")
        counts = self.facts["counts"]
        return own and not any(counts.get(state) for state in LIVE)

    def trials(
        self, filter: str = "", *, sort: str = "number", state: str = ""
    ) -> list[dict[str, Any]]:
        """Its trials as the site has them: number, state, params, value, metrics …

        `filter` is an expression such as ``lr < 0.01 and completed``, `sort` keys such
        as ``-value`` (a minus: descending).
        """
        query = {"filter": filter, "sort": sort, "state": state, "limit": 500}
        return list(self._requests.pages(f"sweeps/{self.id}/trials", **query))

    def results(
        self, filter: str = "", *, sort: str = "number"
    ) -> list[dict[str, Any]]:
        """Its trials as flat rows: parameters by name, metrics as ``metric.NAME``."""
        return [_flat(trial) for trial in self.trials(filter, sort=sort)]

    def frame(self, filter: str = "", *, sort: str = "number") -> Any:
        """results() as a pandas data frame; needs pandas."""
        return importlib.import_module("pandas").DataFrame(
            self.results(filter, sort=sort)
        )

    def change(self, **fields: Any) -> RemoteSweep:
        """Change limits, priority, early_termination, display_name, tags, notes or
        archived, also while it runs. Refused if another person has changed the sweep
        since it was read here; then refresh() it first."""
        version = {} if set(fields) == {"archived"} else {"if_version": self._version}
        self.facts.update(
            self._requests.change(f"sweeps/{self.id}", {**fields, **version})
        )
        return self

    @property
    def _version(self) -> str:
        if "version" not in self.facts:  # of a listing
            self.refresh()
        return str(self.facts["version"])

    def document(self, format: str = "yaml") -> str:
        """Its document as yaml or json, or for azure, wandb, katib or optuna;
        `export_notes` then say what that system does not have."""
        found = self._requests.get(f"sweeps/{self.id}/document", format=format)
        self.export_notes = found["notes"]
        return str(found["text"])

    def exported(self, format: str) -> str:
        """Its document as a text, or its trials as csv or jsonl."""
        if format in ("csv", "jsonl"):
            path = f"sweeps/{self.id}/trials"
            return self._requests.text(path, format=format)
        return self.document(format)

    def export(self, file: str, filter: str = "", *, sort: str = "number") -> str:
        """Save its trials as a file whose name ends with .csv or .jsonl."""
        kind = os.path.splitext(file)[1].lstrip(".")
        if kind not in ("csv", "jsonl"):
            raise ValueError(f"file is {file!r}; it must end with .csv or .jsonl")
        query = {"format": kind, "filter": filter, "sort": sort}
        self._requests.save(f"sweeps/{self.id}/trials", file, **query)
        return file

    def best(self) -> dict[str, Any] | None:
        """The trial with the best value; None as long as none has one."""
        try:
            return self._requests.get(f"sweeps/{self.id}/best")
        except RequestError as problem:
            if problem.code != "no_best":
                raise
            return None

    def importance(self, *, over_range: bool = False) -> list[dict[str, Any]]:
        """Which parameters matter, the most important first: name, share and whether it
        is told apart from chance. Empty while there are too few trials."""
        path = f"sweeps/{self.id}/importance"
        found = self._requests.get(path, over_range=over_range)
        return list(found["parameters"])

    def metrics(self, trial: int | Mapping[str, Any], name: str = "") -> Any:
        """The points of a trial: step, time, name and value."""
        path = f"trials/{self._id_of(trial)}/metrics"
        return list(self._requests.pages(path, name=name, limit=10_000))

    def logs(self, trial: int | Mapping[str, Any]) -> str:
        """What a trial printed."""
        return self._requests.text(f"trials/{self._id_of(trial)}/log")

    def download(
        self, folder: str, trial: int | Mapping[str, Any] | None = None
    ) -> str:
        """Save the outputs of the best trial, or of this one, as a zip in the folder.
        Returns its path."""
        chosen = self._best_or_refuse() if trial is None else self._row_of(trial)
        os.makedirs(folder, exist_ok=True)
        name = re.sub(r"[^\w.-]", "-", str(chosen["name"]))
        file = os.path.join(folder, f"{name}.zip")
        self._requests.save(f"trials/{chosen['id']}/outputs", file)
        return file

    def files(self, trial: int | Mapping[str, Any]) -> list[dict[str, Any]]:
        """The outputs of a trial: path, size, sha256."""
        path = f"trials/{self._id_of(trial)}/artifacts"
        return list(self._requests.pages(path, limit=500))

    def save_file(
        self, trial: int | Mapping[str, Any], file: Mapping[str, Any], target: str
    ) -> None:
        """Save one of files() here."""
        path = f"trials/{self._id_of(trial)}/artifacts/{file['id']}"
        self._requests.save(path, target)

    def plot(self) -> ChartsPage:
        """The site's own charts and tables of this sweep, as one HTML page that loads
        nothing; a notebook shows it."""
        return ChartsPage(self._requests.text(f"sweeps/{self.id}/report"), self.name)

    def ask(self, *, client: str = "", wait: bool = True) -> AskedTrial | None:
        """The next trial, for this process to run; None if there is none left.

        `client` is a name of this process: asked again by it, for example after a
        crash, the site gives its unfinished trial again. With `wait` the site is asked
        again while too many trials run. A draft must be started first.
        """
        asked = ask(self._requests, self.id, client=client, wait=wait)
        if asked is None and self.state == "draft" and self.refresh().state == "draft":
            raise RequestError(f"{self.name} is a draft: start() it before ask().")
        return asked

    def optimize(
        self,
        objective: Callable[[AskedTrial], Any],
        n_trials: int | None = None,
        *,
        catch: tuple[type[BaseException], ...] = (),
    ) -> RemoteSweep:
        """Run trials in this process: objective(trial) returns the value, or the trial
        has reported it.

        A draft is started first. An exception marks its trial as failed and leaves
        this method, unless it is one of `catch`.
        """
        if self.state == "draft":
            self.start()
        # With its own name this loop may ask again for an answer that was lost.
        ask_next = functools.partial(self.ask, client=f"optimize {os.urandom(8).hex()}")
        optimize(ask_next, objective, n_trials=n_trials, catch=catch)
        return self.refresh()

    def _best_or_refuse(self) -> Mapping[str, Any]:
        best = self.best()
        if best is None:
            raise RequestError(
                f"No trial of {self.name} has a value yet.", code="no_best"
            )
        return best

    def _row_of(self, trial: int | Mapping[str, Any]) -> Mapping[str, Any]:
        if isinstance(trial, Mapping):
            return trial
        for row in self.trials(f"number = {int(trial)}"):
            return row
        raise RequestError(f"{self.name} has no trial {trial}.", code="not_found")

    def _id_of(self, trial: int | Mapping[str, Any]) -> int:
        """Of a trial's number in this sweep, or of its row."""
        return int(self._row_of(trial)["id"])


class ChartsPage:
    """A page of HTML that stands for itself."""

    def __init__(self, html: str, name: str) -> None:
        self.html, self._name = html, name

    def save(self, file: str) -> str:
        with open(file, "w", encoding="utf-8") as out:
            out.write(self.html)
        return file

    def _repr_html_(self) -> str:
        """In a frame without rights: its styles and the notebook's stay apart."""
        inside = self.html.replace("&", "&amp;").replace('"', "&quot;")
        size = 'width="100%" height="900" style="border:0"'
        return f'<iframe sandbox="" {size} srcdoc="{inside}"></iframe>'

    def __repr__(self) -> str:
        return f"<charts of {self._name}: save(file), or show it in a notebook>"


def _flat(trial: Mapping[str, Any]) -> dict[str, Any]:
    metrics = {f"metric.{name}": value for name, value in trial["metrics"].items()}
    return {
        **{c: trial[c] for c in COLUMNS},
        **dict(_leaves(trial["params"])),
        **metrics,
    }


def _leaves(params: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Parameters of nested choices by their path, such as optimizer.momentum."""
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield before + name, value
