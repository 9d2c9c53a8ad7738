"""Uploads of code: a zip or tar archive, kept once per content."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from experiments.api.auth import chosen_team, reader
from experiments.api.errors import WITHOUT_NUL, ApiError, invalid
from experiments.api.schemas import answers
from experiments.code import snapshots
from experiments.models import Event

router = Router(tags=["uploads"])

CHUNK = 1 << 20
# Room for the borders and headers that a multipart body has around the archive.
MULTIPART_ROOM = 1 << 16
ARCHIVE = {"schema": {"type": "string", "format": "binary"}}
ARCHIVE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/zip": ARCHIVE,
            "application/x-tar": ARCHIVE,
            "application/gzip": ARCHIVE,
            "application/octet-stream": ARCHIVE,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": ARCHIVE["schema"]},
                }
            },
        },
    }
}

TeamSlug = Annotated[
    str | None,
    Query(
        pattern=WITHOUT_NUL,
        description="Slug of the team; without it the first that you joined and may"
        " steer.",
    ),
]


class UploadOut(Schema):
    id: Annotated[str, Field(description="for a document: code: {upload: ID}")]
    files: int
    bytes: Annotated[int, Field(description="of the files, unpacked")]


@router.post("/uploads", response=answers(201, UploadOut), openapi_extra=ARCHIVE_BODY)
def upload(request: HttpRequest, team: TeamSlug = None) -> Status[UploadOut]:
    """Keep the files of a zip or tar archive, which is the body or a form's one file.

    The same files give the same id. Links and special files are refused.
    """
    owner = chosen_team(request, team)
    try:
        snapshot = snapshots.store_archive(
            owner,
            _archive(request),
            user=reader(request),
        )
    except snapshots.SnapshotError as error:
        raise invalid("body", str(error)) from error
    Event.log("code uploaded", actor=reader(request), team=owner, about=snapshot)
    return Status(
        201,
        UploadOut(id=snapshot.digest, files=len(snapshot.files), bytes=snapshot.size),
    )


def _archive(request: HttpRequest) -> bytes:
    multipart = request.content_type == "multipart/form-data"
    limit = settings.UPLOAD_LIMIT_BYTES
    _refuse_beyond(limit + multipart * MULTIPART_ROOM, _length(request))
    if not multipart:
        return _read(request, limit)
    files = [file for _, found in request.FILES.lists() for file in found]
    if len(files) != 1:
        sentence = f"The form has {len(files)} files; it must have one, the archive."
        raise invalid("file", sentence)
    content: bytes = files[0].read()
    return content


def _length(request: HttpRequest) -> int:
    """The header's length; a body without one would be read as empty."""
    text = request.headers.get("Content-Length", "")
    if not (text.isascii() and text.isdigit()):
        raise ApiError(
            411, "length_required", "An upload needs the header Content-Length."
        )
    return int(text)


def _read(request: HttpRequest, limit: int) -> bytes:
    """The body in pieces, as the header may be wrong."""
    body = bytearray()
    while piece := request.read(CHUNK):
        body += piece
        _refuse_beyond(limit, len(body))
    return bytes(body)


def _refuse_beyond(limit: int, size: int) -> None:
    if size > limit:
        most = settings.UPLOAD_LIMIT_BYTES >> 20
        raise ApiError(
            413,
            "too_large",
            f"The upload has {size:,} bytes; at most {most} MB are allowed"
            " (SWEEPSITE_UPLOAD_MB).",
        )
