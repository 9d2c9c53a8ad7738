"""Files of runs and models, by MLflow's artifact protocol.

Paths are EXPERIMENT/RUN/artifacts/… and EXPERIMENT/models/MODEL/artifacts/…. The files
are outputs of the run's attempt, as pages show them; those of a model are in the
folder models/MODEL. They may be hostile: browsers only download them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase

from experiments import storage
from experiments.api.auth import Caller
from experiments.mlflow.callers import (
    AnyCaller,
    changeable_run,
    is_deleted,
    readable_run,
    run_id_of,
)
from experiments.mlflow.errors import does_not_exist, invalid
from experiments.mlflow.fields import RequestFields
from experiments.mlflow.logged_models import changeable_model, folder_of, model_of
from experiments.models import Artifact, Attempt, Event, LoggedModel, Trial
from experiments.tracking import outputs

CHUNK = 1 << 20


@dataclass(frozen=True)
class ArtifactPlace:
    """A file or folder: of which attempt, and where among its outputs."""

    attempt: Attempt | None
    folder: str
    path: str

    @property
    def full(self) -> str:
        return self.folder + self.path

    @property
    def below(self) -> str:
        """What the paths of files inside begin with."""
        return f"{self.full}/" if self.path else self.folder

    def files(self) -> list[tuple[str, int]]:
        """(Path, size) of this file, or of the files inside."""
        rows = Artifact.objects.filter(attempt=self.attempt)
        if self.path:
            rows = rows.filter(path=self.full) | rows.filter(
                path__startswith=self.below
            )
        elif self.folder:
            rows = rows.filter(path__startswith=self.folder)
        # LIKE has wildcards and no case in some databases.
        return [
            (path, size)
            for path, size in rows.order_by("path").values_list("path", "size")
            if path == self.full or path.startswith(self.below)
        ]


def checked_path(path: str) -> str:
    """A relative path without tricks, as it is after decoding. Raises MlflowError."""
    plain = path
    for _ in range(10):
        plain, before = unquote(plain), plain
        if plain == before:
            break
    if not outputs.is_plain_path(plain) or "#" in plain:
        raise invalid("Invalid path")
    return path


def _place(caller: AnyCaller, path: str, *, changes: bool) -> ArtifactPlace:
    """Where a path of the protocol is. Raises MlflowError."""
    parts = checked_path(path).split("/")
    if len(parts) >= 4 and parts[1] == "models" and parts[3] == "artifacts":
        find = changeable_model if changes else model_of
        model = find(caller, parts[2])
        _check_experiment(parts[0], model.experiment_id)
        return _within_model(model, "/".join(parts[4:]))
    if len(parts) >= 3 and parts[2] == "artifacts":
        trial = (changeable_run if changes else readable_run)(caller, parts[1])
        _check_experiment(parts[0], trial.experiment_id)
        return _within_run(trial, "/".join(parts[3:]))
    raise does_not_exist(
        f"There is no {path}; artifacts are in EXPERIMENT/RUN/artifacts."
    )


def _within_run(trial: Trial, path: str) -> ArtifactPlace:
    attempt = None if is_deleted(trial) else trial.current_attempt
    return ArtifactPlace(attempt, "", path)


def _within_model(model: LoggedModel, path: str) -> ArtifactPlace:
    return ArtifactPlace(model.attempt, folder_of(model), path)


def _check_experiment(text: str, experiment: int) -> None:
    if text not in (str(experiment), "0"):
        raise does_not_exist(f"Experiment {text} has no such run or model.")


def upload(caller: AnyCaller, request: HttpRequest, path: str) -> dict[str, Any]:
    place = _place(caller, path, changes=True)
    if not place.path or place.attempt is None:
        raise invalid("Invalid path")
    size = int(request.META.get("CONTENT_LENGTH") or 0)
    outputs.store_output(place.attempt, place.full, _body(request), size=size)
    return {}


def _body(request: HttpRequest) -> Iterator[bytes]:
    """The body as it arrives. Django reads nothing of one without a length."""
    stream: Any = request
    if request.META.get("wsgi.input_terminated"):
        stream = request.META["wsgi.input"]
    return iter(lambda: stream.read(CHUNK), b"")


def upload_to_run(caller: AnyCaller, request: HttpRequest) -> dict[str, Any]:
    """How MLflow's pages send a file: its run and path are in the query."""
    query = request.GET
    run_id, path = query.get("run_uuid", ""), query.get("path", "")
    for name, value in (("run_uuid", run_id), ("path", path)):
        if not value:
            raise invalid(f"Request must specify {name}.")
    checked_path(path)
    size = int(request.META.get("CONTENT_LENGTH") or 0)
    if not size:
        raise invalid("Request must specify data.")
    attempt = _within_run(changeable_run(caller, run_id), path).attempt
    if attempt is None:
        raise invalid("Invalid path")
    outputs.store_output(attempt, path, _body(request), size=size)
    return {}


def download_of_run(caller: AnyCaller, fields: RequestFields) -> HttpResponseBase:
    """How MLflow's pages fetch a file."""
    path = checked_path(fields.text("path", required=True))
    return _download(caller, _within_run(readable_run(caller, fields.run_id()), path))


def download_of_model(
    caller: AnyCaller, fields: RequestFields, model_id: str
) -> HttpResponseBase:
    path = checked_path(fields.text("artifact_file_path", required=True))
    return _download(caller, _within_model(model_of(caller, model_id), path))


def download(caller: AnyCaller, path: str) -> HttpResponseBase:
    return _download(caller, _place(caller, path, changes=False))


def _download(caller: AnyCaller, place: ArtifactPlace) -> HttpResponseBase:
    path = place.path
    artifact = Artifact.objects.filter(attempt=place.attempt, path=place.full).first()
    if artifact is None:
        raise does_not_exist(f"There is no artifact {path}.")
    stored = storage.output_path(artifact.attempt_id, artifact.sha256)
    try:
        file = stored.open("rb")
    except FileNotFoundError as error:
        raise does_not_exist(f"The artifact {path} was deleted.") from error
    if isinstance(caller, Caller):
        trial = artifact.attempt.trial
        Event.log("outputs downloaded", path, actor=caller.user, trial=trial)
    return FileResponse(
        file,
        as_attachment=True,
        filename=place.path.rsplit("/", 1)[-1],
        content_type="application/octet-stream",
        headers=storage.DOWNLOAD_HEADERS,
    )


def delete(caller: AnyCaller, path: str) -> dict[str, Any]:
    """A file, or a folder with what is in it; again is as once."""
    place = _place(caller, path, changes=True)
    if place.attempt is not None:
        paths = [found for found, _ in place.files()]
        outputs.delete_outputs(place.attempt.pk, paths)
    return {}


def list_files(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    """A folder's entries by their own names; of a file: nothing."""
    path = _folder(fields.text("path", required=True))
    place = _place(caller, path, changes=False)
    return _listing(_entries(place), "")


def list_of_run(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    """The same for a run, by paths below its artifacts."""
    trial = readable_run(caller, fields.run_id())
    place = _within_run(trial, _inner_path(fields))
    root = f"{trial.experiment_id}/{run_id_of(trial.pk)}/artifacts"
    return _listing_of(place, root)


def list_of_model(
    caller: AnyCaller, fields: RequestFields, model_id: str
) -> dict[str, Any]:
    model = model_of(caller, model_id)
    path = fields.text("artifact_directory_path")
    place = _within_model(model, _inner_path(fields, path))
    return _listing_of(place, f"{model.experiment_id}/models/{model_id}/artifacts")


def _folder(path: str) -> str:
    """Clients also ask for the folder . and those below it."""
    return "/".join(part for part in path.rstrip("/").split("/") if part != ".")


def _inner_path(fields: RequestFields, other: str = "") -> str:
    path = _folder(other or fields.text("path"))
    return checked_path(path) if path else ""


def _listing_of(place: ArtifactPlace, root: str) -> dict[str, Any]:
    prefix = f"{place.path}/" if place.path else ""
    listing = _listing(_entries(place), prefix)
    return {"root_uri": f"mlflow-artifacts:/{root}", **listing}


def _entries(place: ArtifactPlace) -> dict[str, int | None]:
    """Names in a folder with the sizes of files; None for a folder."""
    found: dict[str, int | None] = {}
    for path, size in place.files():
        name, _, rest = path.removeprefix(place.below).partition("/")
        if path != place.full:
            found[name] = None if rest else size
    return found


def _listing(entries: dict[str, int | None], prefix: str) -> dict[str, Any]:
    files: Iterable[dict[str, Any]] = (
        {"path": prefix + name, "is_dir": True}
        if size is None
        else {"path": prefix + name, "is_dir": False, "file_size": size}
        for name, size in sorted(entries.items())
    )
    listed = [*files]
    return {"files": listed} if listed else {}
