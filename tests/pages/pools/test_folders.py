"""Which folders of its hosts a pool may open to sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from experiments.code.folders import MAX_LENGTH, FoldersField
from tests import factories


def refused(text: str) -> str:
    with pytest.raises(ValidationError) as caught:
        FoldersField(required=False).clean(text)
    return str(caught.value.messages[0])


@pytest.mark.parametrize(
    "text",
    [
        "/srv/code",
        "/root/projects/code",
        "/home/ada/code",
        "/usr/local/share",
        "/\U0001f600",
    ],
)
def test_a_folder_of_code_may_be_named(text: str) -> None:
    assert FoldersField(required=False).clean(text) == [text]


def test_folders_are_kept_once_and_without_needless_slashes() -> None:
    typed = "//srv//code/\n\n /srv/./code\n/data\n"
    assert FoldersField(required=False).clean(typed) == ["/srv/code", "/data"]
    assert FoldersField(required=False).clean("") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/", "would open every file"),
        ("//", "would open every file"),
        ("/./", "would open every file"),
        ("/etc", "belongs to the system"),
        ("//etc/ssl", "belongs to the system"),
        ("/proc/self/root", "belongs to the system"),
        ("/dev", "belongs to the system"),
        ("/root", "administrator"),
        ("/root/", "administrator"),
        ("/home", "files of all users"),
        ("/var", "the system itself"),
        ("/home/ada", "such as /home/ada/code."),
        ("/home/ada/", "is a home folder"),
        ("/home/ada/.ssh", "keys and passwords"),
        ("/home/ada/.config/code", "keys and passwords"),
        ("/root/code", "directly in the administrator\u2019s home"),
        ("/srv/.AWS", "keys and passwords"),
        ("code", "not an absolute path"),
        ("-1", "not an absolute path"),
        ("/srv/../etc", "not an absolute path"),
        ("/srv/\0code", "unprintable"),
        ("/srv/co\x1bde", "unprintable"),
        (f"/{'a' * MAX_LENGTH}", "1,001 characters"),
        ("\n".join(f"/srv/{n}" for n in range(51)), "At most 50 folders"),
    ],
)
def test_a_folder_that_is_not_for_everybody_is_refused(text: str, why: str) -> None:
    assert why in refused(text)


def test_the_sites_own_data_is_refused(tmp_path: Path, settings: Any) -> None:
    settings.HOME = tmp_path / "data" / "site"
    settings.HOME.mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "data" / "site" / "store"):
        assert "the site\u2019s own data" in refused(str(folder))
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "data")
    found = refused(str(link / "site"))
    assert f"(a link to {tmp_path}/data/site)" in found
    other = str(tmp_path / "data" / "site-code")
    assert FoldersField(required=False).clean(other) == [other]


def test_a_link_to_a_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ada").symlink_to("/home/ada")
    assert "(a link to /home/ada) is a home folder" in refused(str(tmp_path / "ada"))


def test_a_link_to_the_systems_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "etc").symlink_to("/etc")
    assert "belongs to the system" in refused(str(tmp_path / "etc"))


@pytest.mark.django_db
def test_the_admin_refuses_them_too(client: Client) -> None:
    pool = factories.pool(factories.team("Physics"))
    client.force_login(factories.user("root", is_superuser=True, is_staff=True))
    url = f"/admin/experiments/pool/{pool.pk}/change/"
    answer = client.post(url, {"folders": "/etc", "teams": []})
    assert "belongs to the system" in answer.content.decode()
    answer = client.post(url, {"folders": "/srv/code", "teams": []})
    assert answer.status_code == 302
    pool.refresh_from_db()
    assert pool.folders == ["/srv/code"]
