"""What was pasted or chosen to be imported, as the page carries it from step to step:
nothing is stored before a draft is made of it."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass

from django.http import HttpRequest

MOST_TEXT = 2_000_000
MOST_BYTES = 64 << 20
# As characters of the form, which the site takes up to a few megabytes of.
MOST_PACKED = 3_000_000
LONGEST_NAME = 100


class ContentError(ValueError):
    """Content that cannot be taken, with a sentence that says why."""


@dataclass(frozen=True)
class Content:
    """A text, or the bytes of a file that is none. `name` is the file's, if any."""

    data: str | bytes
    name: str = ""

    @property
    def text(self) -> str:
        return self.data if isinstance(self.data, str) else ""

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data.encode() if isinstance(self.data, str) else self.data)

    @property
    def packed(self) -> str:
        """A file for a field of a form; empty for text, which has its own."""
        if isinstance(self.data, str):
            return ""
        return base64.b64encode(zlib.compress(self.data, 9)).decode()

    @property
    def is_carried(self) -> bool:
        """Whether the page can send it again."""
        return len(self.packed) <= MOST_PACKED


def sent_content(request: HttpRequest) -> Content | None:
    """A file that was chosen, else the text or file that the page carried.

    None when there is nothing. Raises ContentError.
    """
    file = request.FILES.get("file")
    if file is not None and not isinstance(file, list):
        if (file.size or 0) > MOST_BYTES:
            raise ContentError(
                f"The file has {(file.size or 0) / 1e6:.0f} MB; up to"
                f" {MOST_BYTES >> 20} MB are allowed, and {MOST_TEXT / 1e6:.0f} MB of"
                " text."
            )
        return _content(file.read(), (file.name or "")[:LONGEST_NAME])
    name = request.POST.get("name", "")[:LONGEST_NAME]
    packed = request.POST.get("packed", "")
    if packed:
        return Content(_unpacked(packed), name)
    text = request.POST.get("text", "")
    return _content(text.encode(), name) if text.strip() else None


def _content(data: bytes, name: str) -> Content:
    """Text where the bytes are text; what they are else is the reader's to say."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Content(data, name)
    if "\0" in text[:100]:
        return Content(data, name)
    if len(text) > MOST_TEXT:
        raise ContentError(
            f"The text has {len(text):,} characters; up to {MOST_TEXT:,} are allowed"
            " here. The command line takes more: python manage.py sweep submit FILE."
        )
    return Content(text.replace("\r\n", "\n"), name)


def _unpacked(packed: str) -> bytes:
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(base64.b64decode(packed, validate=True), MOST_BYTES)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ContentError("The file did not come whole; choose it again.") from error
    if not stream.eof:
        raise ContentError("The file did not come whole; choose it again.")
    return data
