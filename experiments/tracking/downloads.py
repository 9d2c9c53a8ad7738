"""Answers with output files: one file or a zip of all, both resumable.

A Range request gets the rest of what an earlier answer began; the ETag says whether it
is still the same. A zip is never stored: to resume one, its beginning is made again and
left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import PurePosixPath

from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from zipstream import ZipStream

from experiments import storage
from experiments.models import (
    Artifact,
    Attempt,
    CodeSnapshot,
    Event,
    Sweep,
    Trial,
    User,
)
from experiments.tracking.outputs import OutputRefused

CHUNK = 1 << 18
MAX_ZIP_BYTES = 50 << 30
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
# Not possible in the names of files on some system, or not seen.
UNSAFE = re.compile(
    '[\x00-\x1f\x7f-\x9f<>:"|?*\\\\\u200e\u200f\u202a-\u202e\u2066-\u2069]'
)
MAX_NAME = 200
# An SVG may have styles, but neither scripts nor anything from elsewhere.
PICTURE_HEADERS = {
    name: f"{policy}; style-src 'unsafe-inline'"
    for name, policy in storage.DOWNLOAD_HEADERS.items()
}

Body = Callable[[int, int], Iterator[bytes]]


def note_download(
    request: HttpRequest, verb: str, *, actor: User, about: Sweep | Trial
) -> None:
    """One event for a download, also if it is resumed later."""
    if request.headers.get("Range", "bytes=0-").startswith("bytes=0-"):
        trial, sweep = (about, None) if isinstance(about, Trial) else (None, about)
        Event.log(verb, actor=actor, trial=trial, sweep=sweep)


def code_answer(
    request: HttpRequest, sweep: Sweep, code: CodeSnapshot, *, actor: User
) -> FileResponse:
    """The sweep's uploaded code as a zip."""
    note_download(request, "code downloaded", actor=actor, about=sweep)
    return FileResponse(
        storage.code_path(code.digest).open("rb"),
        as_attachment=True,
        filename=f"{sweep.label}-code.zip",
        content_type="application/zip",
        headers=storage.DOWNLOAD_HEADERS,
    )


def file_answer(
    request: HttpRequest, artifact: Artifact, *, picture_type: str = ""
) -> HttpResponseBase:
    """The file as a download, or as a picture of this type. Raises OutputRefused if its
    bytes were deleted."""
    path = storage.output_path(artifact.attempt_id, artifact.sha256)
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        words = f"{artifact.path} was deleted to free space."
        raise OutputRefused(404, "deleted", words) from error

    def body(start: int, end: int) -> Iterator[bytes]:
        with path.open("rb") as file:
            file.seek(start)
            while start < end and (chunk := file.read(min(CHUNK, end - start))):
                start += len(chunk)
                yield chunk

    name = artifact.path.rsplit("/", 1)[-1]
    headers = _headers(name, picture_type)
    return _answer(request, body, size=size, etag=artifact.sha256, headers=headers)


def zip_answer(
    request: HttpRequest, attempt: Attempt | None, *, name: str
) -> HttpResponseBase:
    """All files of an attempt as a zip, without compression. Raises OutputRefused."""
    files = list(attempt.artifacts.order_by("path")) if attempt else []
    if not files:
        raise OutputRefused(404, "no_outputs", "There are no outputs.")
    size = sum(file.size for file in files)
    if size > MAX_ZIP_BYTES:
        raise OutputRefused(
            413,
            "zip_too_large",
            f"The outputs have {size >> 30:,} GB; a zip may have"
            f" {MAX_ZIP_BYTES >> 30} GB. Download the files one by one.",
        )
    archive = zip_of(files)

    def body(start: int, end: int) -> Iterator[bytes]:
        at = 0
        for chunk in archive:
            at += len(chunk)
            if at > start:
                first = max(0, start - (at - len(chunk)))
                yield chunk[first : len(chunk) - max(0, at - end)]
            if at >= end:
                return

    marks = "\n".join(f"{file.path}\0{file.sha256}" for file in files)
    etag = hashlib.sha256(marks.encode()).hexdigest()
    headers = {**_headers(f"{name}.zip"), "Content-Type": "application/zip"}
    return _answer(request, body, size=len(archive), etag=etag, headers=headers)


def zip_of(files: Iterable[Artifact]) -> ZipStream:
    """The same files give the same bytes. Raises OutputRefused."""
    archive, names = ZipStream(sized=True), dict[str, int]()
    for file in files:
        name = safe_name(file.path, names)
        try:
            archive.add_path(storage.output_path(file.attempt_id, file.sha256), name)
        except (FileNotFoundError, ValueError) as error:
            words = f"{file.path} was deleted to free space."
            raise OutputRefused(404, "deleted", words) from error
    return archive


def safe_name(path: str, taken: dict[str, int]) -> str:
    """A name below the folder in which the zip is unpacked, on every system; another
    one if it is ``taken``. That has lower case, and where to look for the next one."""
    parts = [UNSAFE.sub("_", part)[:MAX_NAME].rstrip(". ") for part in path.split("/")]
    clean = PurePosixPath(*(part for part in parts if part)) if any(parts) else "_"
    name = str(clean)
    key = name.casefold()
    if key not in taken:
        taken[key] = 2
        return name
    stem, dot, suffix = name.rpartition(".")
    stem, dot = (stem, dot) if dot and "/" not in suffix else (name, "")
    for n in count(taken[key]):
        other = f"{stem} ({n}){dot}{suffix if dot else ''}"
        if other.casefold() not in taken:
            taken[key], taken[other.casefold()] = n + 1, 2
            return other
    raise AssertionError("numbers do not end")


def _headers(name: str, picture_type: str = "") -> dict[str, str]:
    disposition = content_disposition_header(not picture_type, name)
    return {
        **(PICTURE_HEADERS if picture_type else storage.DOWNLOAD_HEADERS),
        "Content-Type": picture_type or "application/octet-stream",
        "Content-Disposition": disposition or "attachment",
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
    }


def _answer(
    request: HttpRequest, body: Body, *, size: int, etag: str, headers: dict[str, str]
) -> HttpResponseBase:
    etag = f'"{etag}"'
    headers["ETag"] = etag
    if etag in request.headers.get("If-None-Match", ""):
        return HttpResponse(status=304, headers=headers)
    start, end, status = _range(request, size, etag)
    if status == 416:
        headers["Content-Range"] = f"bytes */{size}"
        return HttpResponse(status=status, headers=headers)
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    return StreamingHttpResponse(body(start, end), status=status, headers=headers)


def _range(request: HttpRequest, size: int, etag: str) -> tuple[int, int, int]:
    """First byte, the one after the last, and the status."""
    wanted = RANGE.fullmatch(request.headers.get("Range", ""))
    is_same = request.headers.get("If-Range", etag) == etag
    if wanted is None or not is_same or wanted.groups() == ("", ""):
        return 0, size, 200
    first, last = wanted.groups()
    if first:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    else:
        start, end = max(0, size - int(last)), size
    return (start, end, 206) if start < end else (0, 0, 416)
