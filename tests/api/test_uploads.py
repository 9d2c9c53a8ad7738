"""POST /uploads: code as a zip or tar archive."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from experiments.models import CodeSnapshot, Team
from tests import factories
from tests.api.conftest import Api

FILES = {"train.py": b"print(1)\n", "lib/net.py": b"x = 1\n"}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], *, mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (zipped(FILES), "application/zip"),
        (tarred(FILES), "application/gzip"),
        (tarred(FILES, mode="w"), "application/x-tar"),
        (zipped(FILES), "application/octet-stream"),
    ],
)
def test_an_archive_is_kept(api: Api, team: Team, body: bytes, kind: str) -> None:
    answer = api.post("/uploads", body, content_type=kind)
    assert answer.status_code == 201
    kept = answer.json()
    assert kept["files"] == 2
    assert kept["bytes"] == sum(map(len, FILES.values()))
    snapshot = CodeSnapshot.objects.get(digest=kept["id"])
    assert snapshot.team == team and snapshot.created_by == factories.user("ada")


def test_equal_files_are_one_upload(api: Api) -> None:
    backwards = dict(reversed(FILES.items()))
    ids = {
        api.post("/uploads", body, content_type="application/zip").json()["id"]
        for body in (zipped(FILES), tarred(FILES), zipped(backwards))
    }
    assert len(ids) == 1


def test_a_form_may_carry_the_archive(team: Team) -> None:
    secret = factories.api_token(factories.user("ada"))
    answer = Client().post(
        "/api/v1/uploads",
        {"file": SimpleUploadedFile("code.zip", zipped(FILES))},
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert answer.status_code == 201
    assert answer.json()["files"] == 2


def test_a_document_names_an_upload(api: Api) -> None:
    upload = api.post("/uploads", zipped(FILES), content_type="application/zip").json()
    trial = {
        "command": "python train.py --x ${{search_space.x}}",
        "code": {"upload": upload["id"]},
    }
    answer = api.post("/sweeps", factories.definition_document(trial=trial))
    assert answer.status_code == 201
    assert answer.json()["definition"]["trial"]["code"] == {"upload": upload["id"]}


def test_an_upload_of_another_team_is_none(api: Api, team: Team) -> None:
    factories.team("Chemistry", otto="member")
    otto = Api(factories.api_token(factories.user("otto")))
    upload = otto.post("/uploads", zipped(FILES), content_type="application/zip").json()
    trial = {"command": "true", "code": {"upload": upload["id"]}}
    answer = api.post("/sweeps", factories.definition_document(trial=trial))
    assert answer.status_code == 422
    assert "trial.code.upload" in answer.json()["error"]["fields"]


@pytest.mark.parametrize("body", [b"not an archive", zipped({}), zipped(FILES)[:-30]])
def test_what_is_no_archive_is_refused(api: Api, body: bytes) -> None:
    answer = api.post("/uploads", body, content_type="application/zip")
    assert answer.status_code == 422
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py", "a/../../evil.py"])
def test_a_name_that_leaves_its_folder_is_refused(api: Api, name: str) -> None:
    for body in (zipped({name: b"1"}), tarred({name: b"1"})):
        answer = api.post("/uploads", body, content_type="application/zip")
        assert answer.status_code == 422
        assert "evil.py" in answer.json()["error"]["message"]


def test_a_body_larger_than_django_buffers_is_read_in_pieces(api: Api) -> None:
    files = {"train.py": b"1", "data.bin": bytes(range(256)) * (6 << 12)}
    answer = api.post("/uploads", zipped(files), content_type="application/zip")
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "body",
    [zipped({"a.bin": b"\x01" * (1 << 20)}), zipped({"a.py": b"0" * (3 << 20)})],
    ids=["the archive", "the files in it"],
)
def test_what_is_too_large_is_refused(api: Api, settings: Any, body: bytes) -> None:
    settings.UPLOAD_LIMIT_BYTES = 1 << 19
    answer = api.post("/uploads", body, content_type="application/zip")
    assert answer.status_code in {413, 422}
    assert "SWEEPSITE_UPLOAD_MB" in answer.json()["error"]["message"]
    assert not CodeSnapshot.objects.exists()


def test_a_body_without_a_length_is_refused(api: Api) -> None:
    answer = api.post("/uploads", content_type="application/zip")
    assert answer.status_code == 411


def test_a_viewer_may_not_upload(team: Team) -> None:
    viewer = Api(factories.api_token(factories.user("vera")))
    answer = viewer.post("/uploads", zipped(FILES), content_type="application/zip")
    assert answer.status_code == 403


def test_a_teams_uploads_have_a_limit(api: Api, team: Team, settings: Any) -> None:
    settings.TEAM_UPLOADS_LIMIT_BYTES = 20
    assert api.post("/uploads", zipped(FILES)).status_code == 201
    # The same files take no more room.
    assert api.post("/uploads", zipped(FILES)).status_code == 201
    answer = api.post("/uploads", zipped({"train.py": b"print(2)\n"}))
    assert answer.status_code == 422
    message = answer.json()["error"]["message"]
    assert "the uploads of team Physics already" in message
    assert "SWEEPSITE_TEAM_UPLOADS_MB" in message
    assert CodeSnapshot.objects.count() == 1
