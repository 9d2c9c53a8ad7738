"""Downloads of outputs: resumable, and with safe names."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory

from experiments import storage
from experiments.models import Artifact, Attempt
from experiments.tracking import downloads
from experiments.tracking.downloads import file_answer, safe_name, zip_answer
from experiments.tracking.outputs import OutputRefused
from tests import factories

pytestmark = pytest.mark.django_db
BODY = bytes(range(256)) * 10


@pytest.fixture
def attempt(settings: Any, tmp_path: Path) -> Attempt:
    settings.HOME = tmp_path
    trial = factories.reported_trial(factories.sweep(factories.team()), [0.5])
    assert trial.current_attempt is not None
    return trial.current_attempt


def keep(attempt: Attempt, path: str, body: bytes = BODY) -> Artifact:
    sha = hashlib.sha256(body).hexdigest()
    storage.write_whole(storage.output_path(attempt.pk, sha), [body])
    return Artifact.objects.create(
        attempt=attempt, path=path, size=len(body), sha256=sha
    )


def asked(**headers: str) -> Any:
    names = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return RequestFactory().get("/", **names)


def bytes_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, 2560),
        ("bytes=-10", 2550, 2560),
        ("bytes=2559-9999", 2559, 2560),
        ("bytes=-9999", 0, 2560),
    ],
)
def test_a_part_of_a_file(attempt: Attempt, wanted: str, start: int, end: int) -> None:
    answer = file_answer(asked(range=wanted), keep(attempt, "a.bin"))
    assert answer.status_code == 206
    assert answer["Content-Range"] == f"bytes {start}-{end - 1}/2560"
    assert int(answer["Content-Length"]) == end - start
    assert bytes_of(answer) == BODY[start:end]


@pytest.mark.parametrize("wanted", ["bytes=2560-", "bytes=9-8", "bytes=-0"])
def test_what_is_not_there_is_416(attempt: Attempt, wanted: str) -> None:
    answer = file_answer(asked(range=wanted), keep(attempt, "a.bin"))
    assert (answer.status_code, answer["Content-Range"]) == (416, "bytes */2560")


@pytest.mark.parametrize("wanted", ["", "bytes=-", "lines=1-2", "bytes=0-1,5-6"])
def test_all_else_gets_the_whole_file(attempt: Attempt, wanted: str) -> None:
    answer = file_answer(asked(range=wanted), keep(attempt, "a.bin"))
    assert (answer.status_code, bytes_of(answer)) == (200, BODY)


def test_a_changed_file_is_sent_whole(attempt: Attempt) -> None:
    kept = keep(attempt, "a.bin")
    etag = file_answer(asked(), kept)["ETag"]
    same = file_answer(asked(range="bytes=1-", if_range=etag), kept)
    other = file_answer(asked(range="bytes=1-", if_range='"old"'), kept)
    assert (same.status_code, other.status_code) == (206, 200)
    assert file_answer(asked(if_none_match=etag), kept).status_code == 304


def test_a_zip_of_all_files_can_be_resumed(attempt: Attempt) -> None:
    for name in ("b/model.bin", "a.txt", "empty"):
        keep(attempt, name, b"" if name == "empty" else name.encode() * 1_000)
    answer = zip_answer(asked(), attempt, name="digits-1")
    whole = bytes_of(answer)
    assert int(answer["Content-Length"]) == len(whole)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.txt", "b/model.bin", "empty"]
        assert archive.read("b/model.bin") == b"b/model.bin" * 1_000
    for start in (1, 40, 7_000, len(whole) - 1):
        rest = zip_answer(asked(range=f"bytes={start}-"), attempt, name="digits-1")
        assert rest.status_code == 206 and rest["ETag"] == answer["ETag"]
        assert bytes_of(rest) == whole[start:]


def test_a_zip_that_is_too_large_says_so(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(attempt, "a.bin")
    monkeypatch.setattr(downloads, "MAX_ZIP_BYTES", 2_000)
    with pytest.raises(OutputRefused, match="one by one") as refusal:
        zip_answer(asked(), attempt, name="x")
    assert refusal.value.status == 413


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b.txt", "a/b.txt"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\Windows\\x", "C__Windows_x"),
        ("a/./b//c", "a/b/c"),
        ("..", "_"),
        ("a\nb\u202ec", "a_b_c"),
        ("ends with dot./x. ", "ends with dot/x"),
    ],
)
def test_names_in_a_zip_stay_below_its_folder(path: str, name: str) -> None:
    assert safe_name(path, {}) == name


def test_equal_names_get_a_number() -> None:
    assert safe_name("A/b.txt", {"a/b.txt": 2}) == "A/b (2).txt"
    assert safe_name("a.b/c", {"a.b/c": 2, "a.b/c (2)": 2}) == "a.b/c (3)"


def test_numbers_of_many_equal_names_are_found_at_once() -> None:
    taken: dict[str, int] = {}
    tried = [safe_name(name, taken) for name in [":"] * 3_000]
    assert tried[:2] == ["_", "_ (2)"] and len(set(tried)) == 3_000
    # Each was tried once, not after all before it.
    assert taken["_"] == 3_001
