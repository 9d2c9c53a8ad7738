"""The documentation in the site: who reads it, its links, and the search."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from experiments.pages.help import manual
from experiments.pages.help.topics import TOPICS
from tests import factories
from tests.pages.clients import client_of, page, text_of

NAMES = sorted(manual.page_names() - {manual.INDEX})
LINK = re.compile(r'(?:href|src)="([^"]+)"')


@pytest.fixture
def ada() -> Client:
    factories.team("Physics", ada="member")
    return client_of("ada")


@pytest.mark.django_db
def test_a_page_has_its_text_its_neighbours_and_its_headings(ada: Client) -> None:
    shown = page(ada, "/help/samplers/")
    assert "<h1>Samplers</h1>" in shown and "Gaussian process" in shown
    assert '<a href="/help/samplers/" aria-current="page">' in shown
    assert 'id="which-one"' in shown and 'href="#which-one"' in shown


@pytest.mark.django_db
def test_readers_without_a_login_need_the_sites_consent(settings: Any) -> None:
    urls = ("/help/", "/help/samplers/", "/help/files/images/home-light.png")
    for url in urls:
        answer = Client().get(url)
        assert answer["Location"].startswith("/login/?next=/help/")
    settings.PUBLIC_HELP = True
    assert [Client().get(url).status_code for url in urls] == [200, 200, 200]
    assert 'href="/help/"' in page(Client(), "/login/")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "url",
    [
        "/help/README/",
        "/help/none/",
        "/help/../settings/",
        "/help/files/screenshots.py",
        "/help/files/samplers.md",
        "/help/files/../README.md",
        "/help/files/%2e%2e/manage.py",
        "/help/files//etc/passwd",
    ],
)
def test_nothing_else_is_served(ada: Client, url: str) -> None:
    assert ada.get(url).status_code == 404


@pytest.mark.django_db
def test_files_are_text_or_pictures(ada: Client) -> None:
    kinds = {
        file: ada.get(f"/help/files/{file}")["Content-Type"]
        for file in (
            "installation/nginx.conf",
            "images/home-light.png",
            "images/parts.svg",
        )
    }
    text = "text/plain; charset=utf-8"
    assert list(kinds.values()) == [text, "image/png", "image/svg+xml"]


def test_every_picture_has_an_address_and_a_size() -> None:
    html = "".join(manual.help_page(name).html for name in manual.page_names())
    pictures = re.findall(r"<img [^>]*>", html)
    assert len(pictures) > 5
    for picture in pictures:
        assert 'src="/help/files/images/' in picture
        width, height = re.findall(r'(?:width|height)="(\d+)"', picture)
        assert 300 < int(width) < 5_000 and 200 < int(height) < 5_000


def addresses() -> set[str]:
    """All addresses of pages, with the anchors of their headings, and of files."""
    found = {reverse("help_file", args=(file,)) for file in manual.files()}
    for name in manual.page_names():
        url = manual.address_of(f"{name}.md")
        anchors = (section.anchor for section in manual.help_page(name).sections)
        found |= {url, *(f"{url}#{anchor}" for anchor in anchors)}
    return found


def test_every_link_leads_to_a_page_a_heading_or_a_file() -> None:
    known = addresses()
    wrong = [
        f"{name}: {target}"
        for name in manual.page_names()
        for target in map(unescape, LINK.findall(manual.help_page(name).html))
        if not target.startswith(("http://", "https://"))
        if (manual.address_of(f"{name}.md") if target[0] == "#" else "") + target
        not in known
    ]
    assert wrong == []


def test_the_index_names_every_page() -> None:
    named = [name for group in manual.groups() for name in group.pages]
    assert sorted(named) == NAMES


def test_every_topic_is_a_heading_and_every_page_of_a_topic_exists() -> None:
    known = addresses()
    for topic in TOPICS.values():
        path, _, anchor = topic.partition("#")
        assert manual.address_of(path) + (f"#{anchor}" if anchor else "") in known
    assert set(TOPICS) <= set(get_resolver().reverse_dict)


@pytest.mark.django_db
def test_the_bar_leads_to_what_describes_the_page(ada: Client) -> None:
    topics = ("/help/administration/#pools-and-their-queue", "/help/")
    for url, topic in zip(("/pools/", "/settings/password/"), topics, strict=True):
        assert f'class="topbar-help" href="{topic}"' in page(ada, url)


@pytest.mark.django_db
def test_words_of_one_section_are_found_and_marked(ada: Client) -> None:
    shown = page(ada, "/help/?q=ModuleNotFoundError")
    first = shown.partition('class="help-result"')[2]
    assert "/help/failures/#known-errors" in first
    assert "<mark>ModuleNotFoundError</mark>" in first
    assert "Nothing found" in page(ada, "/help/?q=xyzzy")
    hostile = text_of(ada.get("/help/", {"q": "<script>alert(1)</script>"}))
    assert "<script>alert" not in hostile


def test_headings_come_before_text_that_has_the_words() -> None:
    found = manual.search("median_stopping")
    assert found[0].title == "median_stopping"
    assert len(found) > 3


@pytest.mark.django_db
def test_the_search_of_the_site_finds_pages_of_the_documentation(ada: Client) -> None:
    shown = text_of(ada.get("/search/", {"q": "early termination"}))
    assert "Help: Early termination" in shown
    assert 'href="/help/early-termination/"' in shown


def test_a_sentence_of_the_site_leads_to_what_helps() -> None:
    found = manual.search("No worker of pool")
    assert (found[0].page, found[0].title) == ("Troubleshooting", "My trials wait")
    assert "<mark>No worker of pool</mark>" in found[0].snippet


@pytest.mark.parametrize(
    "message",
    [
        "Paused after 5 failed trials (max_failed_trials is 5).",
        "needed more than 512 MB of memory",
        "RuntimeError: CUDA out of memory",
    ],
)
def test_a_pasted_message_is_found_without_its_numbers(message: str) -> None:
    pages = {found.page for found in manual.search(message)}
    assert pages & {"Troubleshooting", "When trials fail"}


def test_words_that_no_page_has_find_nothing() -> None:
    assert manual.search("quixotic zebra xylophones") == []
