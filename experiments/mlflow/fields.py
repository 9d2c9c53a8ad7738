"""The fields of a request, with MLflow's checks, limits and words."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.http import HttpRequest

from experiments.mlflow.errors import invalid, invalid_value, missing_value
from experiments.tracking.run_log import MAX_KEY_LENGTH

MAX_INT = 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The year 9999, in milliseconds: later times are kept as this one.
MAX_MILLISECONDS = 253_402_300_799_000
# What msgspec raises; a RecursionError for lists in lists.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
NAME = re.compile(r"[/\w.\- :]*")
# The most frequent ones, without dots that could be folders.
PLAIN = re.compile(r"\w[\w\-:]*(?:[./ ][\w\-:]+)*", re.ASCII)
NAME_WORDS = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.),"
    " spaces ( ), colon(:) and slashes (/)."
)


@dataclass(frozen=True)
class RequestFields:
    """What a request says, in its query or its body. Unknown names are ignored."""

    data: Mapping[str, Any]

    def given(self, name: str) -> bool:
        return self.data.get(name) is not None

    def text(self, name: str, *, required: bool = False) -> str:
        """Empty if it is not given."""
        value = self.data.get(name)
        if value is None or value == "":
            if required:
                raise missing_value(name)
            return ""
        if not isinstance(value, str):
            raise invalid_value(name, value, _hint(value))
        return storable(name, value)

    def run_id(self) -> str:
        """Old clients call it run_uuid."""
        return self.text("run_id" if self.given("run_id") else "run_uuid") or self.text(
            "run_id", required=True
        )

    def whole(self, name: str, default: int) -> int:
        value = self.data.get(name)
        return default if value is None or value == "" else whole_number(name, value)

    def moment(self, name: str) -> datetime | None:
        """A time in milliseconds since 1970."""
        return moment_of(self.whole(name, 0)) if self.given(name) else None

    def entries(self, name: str) -> list[Any]:
        value = self.data.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise invalid_value(name, value, _hint(value))
        return value

    def texts(self, name: str) -> list[str]:
        value = self.entries(name)
        if not all(isinstance(each, str) for each in value):
            raise invalid_value(name, value, "It must be a list of texts.")
        return value

    def max_results(self, default: int, most: int) -> int:
        found = self.whole("max_results", default) or default
        if not 0 < found <= most:
            hint = f"It must be from 1 to {most}."
            raise invalid_value("max_results", found, hint)
        return found

    def pairs(self, name: str) -> dict[str, str]:
        """A list of objects with key and value, such as tags; a later one counts."""
        found: dict[str, str] = {}
        for place, each in enumerate(self.entries(name)):
            if not isinstance(each, dict):
                raise invalid_value(name, self.data[name], "It must have objects.")
            entry, path = RequestFields(each), f"{name}[{place}]"
            if not entry.given("key") or each["key"] == "":
                raise missing_value(f"{path}.key")
            key = check_name(f"{path}.key", entry.text("key"))
            found[key] = entry.text("value")
        return found


def read_fields(request: HttpRequest) -> RequestFields:
    if request.method == "GET" or (request.method == "DELETE" and not request.body):
        lists = request.GET.lists()
        return RequestFields({k: v if len(v) > 1 else v[0] for k, v in lists if v})
    return RequestFields(read_object(request.body))


def read_object(body: bytes) -> Mapping[str, Any]:
    """An object in JSON, which may have bare NaN and infinities."""
    if not body:
        return {}
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        found = _lenient(body)
    # Old clients encode twice.
    found = _lenient(found.encode()) if isinstance(found, str) else found
    if not isinstance(found, dict):
        raise invalid("The body must be an object in JSON.")
    return found


def _lenient(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The body is not JSON: {error}") from error


def storable(name: str, text: str) -> str:
    """The text, if a database can keep it."""
    if "\0" in text:
        raise invalid_value(name, text, "NUL is not allowed.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise invalid_value(name, text, "It is not Unicode.") from error
    return text


def whole_number(name: str, value: Any) -> int:
    """Whole numbers come as numbers or as texts."""
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    elif (isinstance(value, float) and value.is_integer()) or (
        isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,20}", value)
    ):
        found = int(value)
    else:
        raise invalid_value(name, value, _hint(value))
    if not -MAX_INT - 1 <= found <= MAX_INT:
        raise invalid_value(name, value, "It does not fit into 64 bits.")
    return found


def moment_of(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=max(0, min(milliseconds, MAX_MILLISECONDS)))


def milliseconds_of(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def is_plain(name: str) -> bool:
    """Whether a name is valid without a closer look; check_name explains the others."""
    return len(name) <= MAX_KEY_LENGTH and PLAIN.fullmatch(name) is not None


def check_name(path: str, name: str) -> str:
    """The name of a metric, parameter or tag."""
    if not NAME.fullmatch(name):
        raise invalid_value(path, name, NAME_WORDS)
    normal = posixpath.normpath(name)
    if normal != name or normal == "." or normal.startswith(("..", "/")):
        words = (
            "Names may be treated as files in certain cases, and must not resolve to"
            f" other names when treated as such. This name would resolve to {normal!r}"
        )
        raise invalid_value(path, name, words)
    if len(name) > MAX_KEY_LENGTH:
        raise too_long(path, MAX_KEY_LENGTH)
    return name


def too_long(path: str, most: int) -> Exception:
    return invalid(f"'{path}' exceeds the maximum length of {most} characters")


def _hint(value: object) -> str:
    return f" Hint: Value was of type '{type(value).__name__}'."
