"""Storing output files of attempts, within the limits of the attempt and its team."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Sum

from experiments import storage
from experiments.models import Artifact, Attempt
from experiments.runner.outputs import MAX_FILES
from experiments.tracking import ingest

SUM_SECONDS = 60
MAX_PATH, MAX_PART = 500, 255
UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|(?:^|/)[A-Za-z]:(?:/|$)")


class OutputRefused(Exception):
    """The file was not stored, and why; `status` and `code` are for the answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def is_plain_path(path: str) -> bool:
    """Whether a path stays below a folder, on any system: programs download to it."""
    parts = path.split("/")
    return (
        not UNSAFE.search(path)
        and len(path) <= MAX_PATH
        and not any(part in ("", ".", "..") or len(part) > MAX_PART for part in parts)
    )


def store_output(
    attempt: Attempt,
    path: str,
    chunks: Iterable[bytes],
    *,
    size: int = 0,
    sha256: str = "",
    whole: bool = True,
) -> Artifact:
    """Keep all bytes of a file, or none; it replaces what had its path.

    ``size`` is what the sender said; more than the limits are never read. With
    ``sha256`` other bytes are refused. Raises OutputRefused, AttemptNotRunning and
    OSError.
    """
    room = _room(attempt, path)
    _check_room(attempt, path, size, room)
    _check_team(attempt, size)
    folder = storage.outputs_folder(attempt.pk)
    incoming = folder / f".{uuid.uuid4().hex}"
    try:
        size, digest = storage.write_whole(
            incoming, _within(chunks, room, attempt, path)
        )
        if sha256 and digest != sha256:
            words = "The body does not have that SHA-256."
            raise OutputRefused(422, "wrong_hash", words)
        with transaction.atomic():
            locked = ingest.locked_attempt(attempt.pk)
            _check_room(locked, path, size, _room(locked, path))
            _forget_on_commit(locked, [path])
            facts = {"size": size, "sha256": digest, "whole": whole, "trash": None}
            artifact, _ = Artifact.all_objects.update_or_create(
                attempt=locked, path=path, defaults=facts
            )
            incoming.replace(folder / digest)
            storage.flush_names(folder)
    finally:
        incoming.unlink(missing_ok=True)
    return artifact


def delete_outputs(attempt_id: int, paths: Sequence[str]) -> int:
    """Forget files; returns how many there were."""
    with transaction.atomic():
        attempt = ingest.locked_attempt(attempt_id)
        _forget_on_commit(attempt, paths)
        deleted, _ = attempt.artifacts.filter(path__in=paths).delete()
    return deleted


def _limit(attempt: Attempt) -> int:
    sweep = attempt.trial.sweep
    limit: int = settings.OUTPUTS_LIMIT_BYTES
    return sweep.outputs_limit if sweep else limit


def _room(attempt: Attempt, path: str) -> int:
    """The bytes that the file of this path may have. Raises OutputRefused when the
    attempt has too many other files."""
    sizes = attempt.artifacts.exclude(path=path).values_list("size", flat=True)
    used = list(sizes)
    if len(used) >= MAX_FILES:
        words = f"{path} is beyond the limit of {MAX_FILES:,} files."
        raise OutputRefused(413, "too_many_outputs", words)
    return _limit(attempt) - sum(used)


def _within(
    chunks: Iterable[bytes], room: int, attempt: Attempt, path: str
) -> Iterator[bytes]:
    """A body in pieces may be larger than its sender said."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        _check_room(attempt, path, size, room)
        yield chunk


def _check_room(attempt: Attempt, path: str, size: int, room: int) -> None:
    if size <= room:
        return
    limit = _limit(attempt)
    raise OutputRefused(
        413,
        "outputs_too_large",
        f"{path} has {size:,} bytes, with {limit - room:,} of other outputs; all"
        f" together may have {limit:,}.",
    )


def _check_team(attempt: Attempt, size: int) -> None:
    """The sum is read once a minute, as it takes a row of each output. So a team can
    get some files over its limit."""
    limit = settings.TEAM_OUTPUTS_LIMIT_BYTES
    if not limit:
        return
    team = attempt.trial.experiment.team_id
    outputs = Artifact.objects.filter(attempt__trial__experiment__team=team)
    used: int = cache.get_or_set(  # type: ignore[assignment]
        f"outputs-of-team-{team}",
        lambda: outputs.aggregate(sum=Sum("size"))["sum"] or 0,
        SUM_SECONDS,
    )
    if used + size > limit:
        raise OutputRefused(
            413,
            "team_outputs_too_large",
            f"the outputs of the team take {used >> 20:,} MB; with this file they would"
            f" take more than {limit >> 20:,} MB (SWEEPSITE_TEAM_OUTPUTS_MB)",
        )


def _forget_on_commit(attempt: Attempt, paths: Sequence[str]) -> None:
    """Remove the bytes of the files with these paths, unless others share them."""
    rows = Artifact.all_objects.filter(attempt=attempt, path__in=paths)
    for sha256 in rows.values_list("sha256", flat=True):
        transaction.on_commit(partial(_remove_unused, attempt.pk, sha256))


def _remove_unused(attempt_id: int, sha256: str) -> None:
    """An attempt has one runner, which sends one file after another."""
    if not Artifact.all_objects.filter(attempt=attempt_id, sha256=sha256).exists():
        storage.output_path(attempt_id, sha256).unlink(missing_ok=True)
