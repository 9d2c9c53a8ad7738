"""A site: create sweeps from Python, find them again."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, Union

from ._requests import RequestError, Requests, new_key, requests_of
from ._run import TrackedRun, run
from ._sweep import RemoteSweep

# As the command line of the site packs a folder.
LEFT_OUT = frozenset({"__pycache__", "node_modules", "venv"})
OUTPUTS = "outputs"
Document = Union[Mapping[str, Any], str, "os.PathLike[str]"]


def connect(url: str = "", token: str = "") -> RemoteSite:
    """The site at this address, with a token of yours; without them that of
    SWEEPSITE_URL and SWEEPSITE_TOKEN, or of ``python -m sweepsite_client login``.

    Raises RequestError if it does not answer or does not know the token.
    """
    site = RemoteSite(requests_of(url, token))
    site.requests.get("sweeps", limit=1)
    return site


class RemoteSite:
    """What a token allows on one site. All methods raise RequestError."""

    def __init__(self, requests: Requests) -> None:
        self.requests = requests
        self.url = requests.url

    def sweep(
        self,
        document: Document,
        *,
        experiment: str = "",
        team: str = "",
        format: str = "",
        part: str = "",
    ) -> RemoteSweep:
        """Create a sweep, as a draft: from a mapping, or from a file of this site or of
        Azure ML, W&B, Katib, NNI or Optuna.

        A folder that ``trial.code`` names is packed and uploaded: relative to the file,
        or to the current folder. `team` is a slug.
        """
        body, folder = _read(document)
        options = {"team": team, "format": format, "part": part}
        if isinstance(body, bytes):
            checked = self.requests.post("sweeps/check", body, **options)
            if _waits_for_code(checked) or (experiment and checked["valid"]):
                body = checked["document"]
        if isinstance(body, Mapping):
            options = {"team": team}
            body = self._with_code(body, folder, team)
            if experiment:
                body = {**body, "experiment_name": experiment}
        made = self.requests.post("sweeps", body, once=new_key(), **options)
        return RemoteSweep(self.requests, made)

    def check(
        self, document: Document, *, team: str = "", format: str = "", part: str = ""
    ) -> dict[str, Any]:
        """What the site reads: valid, problems, warnings, document, combinations,
        preview. It creates nothing."""
        body, folder = _read(document)
        options = {"team": team, "format": format, "part": part}
        checked = self.requests.post("sweeps/check", body, **options)
        if _waits_for_code(checked):
            _packed(os.path.join(folder, checked["document"]["trial"]["code"]))
            checked = {**checked, "valid": True, "problems": []}
        return checked

    def find(self, name: str | int) -> RemoteSweep:
        """A sweep by its name, such as digits-3, or its id."""
        if str(name).isdigit():
            return RemoteSweep(self.requests, self.requests.get(f"sweeps/{name}"))
        experiment = str(name).rpartition("-")[0]
        for row in self.requests.pages("sweeps", experiment=experiment):
            if row["name"] == name:
                return RemoteSweep(
                    self.requests, self.requests.get(f"sweeps/{row['id']}")
                )
        raise RequestError(
            f"There is no sweep {name!r} on {self.url} that you may see."
        )

    def sweeps(
        self, *, state: str = "", experiment: str = "", filter: str = ""
    ) -> Iterator[RemoteSweep]:
        """The sweeps that you may see, the newest first."""
        asked = {"state": state, "experiment": experiment, "filter": filter}
        for row in self.requests.pages("sweeps", **asked):
            yield RemoteSweep(self.requests, row)

    def notifications(self, *, unread: bool = False) -> Iterator[dict[str, Any]]:
        """Your notifications in the browser, the newest first."""
        yield from self.requests.pages("notifications", unread="true" if unread else "")

    def mark_read(self) -> int:
        """Mark all notifications as read; returns how many were not."""
        return int(self.requests.post("notifications/read")["read"])

    def run(self, name: str = "", **options: Any) -> TrackedRun:
        """Start a single run of this process here, as sweepsite_client.run() does."""
        return run(name, site=(self.url, self.requests.token), **options)

    def _with_code(
        self, document: Mapping[str, Any], folder: str, team: str
    ) -> Mapping[str, Any]:
        """The document, with the folder of its code uploaded."""
        trial = document.get("trial")
        code = trial.get("code") if isinstance(trial, Mapping) else None
        if not isinstance(code, str) or "://" in code or not isinstance(trial, Mapping):
            return document
        archive = _packed(os.path.join(folder, code))
        upload = self.requests.upload(archive, team=team)
        return {**document, "trial": {**trial, "code": {"upload": upload["id"]}}}


def _read(document: Document) -> tuple[Any, str]:
    """A mapping or a file's bytes, and the folder where its code is."""
    if isinstance(document, Mapping):
        return document, os.curdir
    path = os.fspath(document)
    try:
        with open(path, "rb") as file:
            return file.read(), os.path.dirname(path)
    except OSError as problem:
        raise RequestError(f"{path} cannot be read: {problem.strerror}.") from problem


def _waits_for_code(checked: Mapping[str, Any]) -> bool:
    """Whether nothing is wrong but that its code is not uploaded yet."""
    document = checked.get("document") or {}
    code = (document.get("trial") or {}).get("code")
    paths = {problem["path"] for problem in checked["problems"]}
    return isinstance(code, str) and paths <= {"trial.code"} and "://" not in code


def _packed(folder: str) -> bytes:
    """The folder's files as a zip, without hidden ones and what is not code."""
    if not os.path.isdir(folder):
        raise RequestError(f"trial.code: There is no folder {folder!r}.")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in _files(folder):
            archive.write(file, os.path.relpath(file, folder))
    return out.getvalue()


def _files(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        top = parent == folder
        folders[:] = [n for n in folders if _is_code(n) and not (top and n == OUTPUTS)]
        paths = (os.path.join(parent, name) for name in sorted(names) if _is_code(name))
        yield from (path for path in paths if os.path.isfile(path))


def _is_code(name: str) -> bool:
    return not name.startswith(".") and name not in LEFT_OUT
