"""The pages of docs/, their order, and the search in them.

docs/README.md is the index: its headings are the groups, and the first link of each
line of a list is a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from experiments.pages.help.markdown import HelpPage, HelpSection, parse, read_page

DOCS: Path = settings.BASE_DIR / "docs"
INDEX = "README"
# What pages link to and show; the rest of the folder makes them.
SERVED = {".png", ".svg", ".service", ".timer", ".conf", ".env", ".yaml", ".sh"}
SERVED_WITHOUT_SUFFIX = {"Caddyfile", "Containerfile"}
MAX_RESULTS = 30
# The share of a message's words that a section must have.
MOST = 0.6
AROUND = 90  # characters of a result before and after its first word


@dataclass(frozen=True)
class HelpGroup:
    """Pages of one heading of the index, as names and titles."""

    title: str
    pages: Mapping[str, str]


@dataclass(frozen=True)
class HelpResult:
    page: str
    title: str
    url: str
    snippet: SafeString


@cache
def page_names() -> frozenset[str]:
    paths = (path.relative_to(DOCS) for path in DOCS.rglob("*.md"))
    return frozenset(path.with_suffix("").as_posix() for path in paths)


@cache
def files() -> Mapping[str, Path]:
    return {
        path.relative_to(DOCS).as_posix(): path
        for path in DOCS.rglob("*")
        if path.suffix in SERVED or path.name in SERVED_WITHOUT_SUFFIX
    }


def address_of(path: str) -> str:
    """Of a file of docs/, by its path; empty for others."""
    name = path.removesuffix(".md")
    if name == INDEX:
        return reverse("help")
    if name in page_names():
        return reverse("help_page", args=(name,))
    return reverse("help_file", args=(path,)) if path in files() else ""


@cache
def help_page(name: str) -> HelpPage:
    return read_page(name, DOCS, address=address_of)


@cache
def groups() -> Sequence[HelpGroup]:
    """Read from the index."""
    found: list[tuple[str, dict[str, str]]] = []
    tokens = parse((DOCS / f"{INDEX}.md").read_text())
    for token, before in zip(tokens[1:], tokens, strict=False):
        if token.type == "inline" and before.type == "heading_open":
            found.append((token.content, {}))
        elif token.type == "inline" and before.type == "paragraph_open":
            name, title = _first_link(token.content)
            if before.level > 1 and name in page_names():
                found[-1][1].setdefault(name, title)
    return [HelpGroup(title, pages) for title, pages in found if pages]


def _first_link(text: str) -> tuple[str, str]:
    found = re.search(r"\[([^\]]+)\]\(([\w/-]+)\.md\)", text)
    return (found[2], found[1]) if found else ("", "")


def search(query: str) -> list[HelpResult]:
    """Sections with all words: those with the very phrase and in headings first, then
    as the index has them. If there is none: with most words, as a message has names
    and numbers that no page has."""
    phrase = " ".join(query.lower().split())
    words = phrase.split()
    best = _best(phrase, words, least=1.0) if words else []
    plain = re.findall(r"[^\W\d_]{3,}", phrase)
    if not best and plain:
        best = _best(phrase, plain, least=MOST)
    return [_result(page, section, phrase) for page, section in best[:MAX_RESULTS]]


def _best(
    phrase: str, words: Sequence[str], *, least: float
) -> list[tuple[HelpPage, HelpSection]]:
    """Sections with at least this share of the words, the best first."""
    patterns = [_at_start(word) for word in words]
    scored = [
        (_score(_at_start(phrase), patterns, page, section, least=least), page, section)
        for page in map(help_page, dict.fromkeys(n for g in groups() for n in g.pages))
        for section in page.sections
    ]
    found = sorted((s for s in scored if s[0]), key=lambda each: -each[0])
    return [(page, section) for _, page, section in found]


def _at_start(text: str) -> re.Pattern[str]:
    """The text where a word begins."""
    return re.compile(rf"(?<![^\W_]){re.escape(text)}", re.IGNORECASE)


Words = Sequence[re.Pattern[str]]


def _score(
    phrase: re.Pattern[str],
    words: Words,
    page: HelpPage,
    section: HelpSection,
    *,
    least: float,
) -> float:
    """0: too many words are missing."""
    head, text = f"{page.title} {section.title}", section.text
    found = sum(bool(word.search(head) or word.search(text)) for word in words)
    share = found / len(words)
    if share < least:
        return 0
    in_title = all(word.search(section.title) for word in words)
    in_head = all(word.search(head) for word in words)
    return 20 * share + 8 * in_title + 4 * in_head + 6 * bool(phrase.search(text))


def _result(page: HelpPage, section: HelpSection, phrase: str) -> HelpResult:
    url = address_of(f"{page.name}.md")
    return HelpResult(
        page.title,
        section.title,
        f"{url}#{section.anchor}" if section.level > 1 else url,
        _snippet(section.text.removeprefix(section.title), phrase),
    )


def _snippet(text: str, phrase: str) -> SafeString:
    """The text around the phrase, else around its longest word, with these marked."""
    wanted = [phrase, *sorted(phrase.split(), key=len, reverse=True)]
    found = next(filter(None, (_at_start(each).search(text) for each in wanted)), None)
    start = max(0, (found.start() if found else 0) - AROUND)
    part = text[start : start + 3 * AROUND]
    marks = [found[0]] if found and found[0].lower() == phrase else phrase.split()
    every = "|".join(_at_start(each).pattern for each in marks)
    pieces = re.split(f"({every})", part, flags=re.IGNORECASE)
    marked = (
        f"<mark>{escape(piece)}</mark>" if number % 2 else escape(piece)
        for number, piece in enumerate(pieces)
    )
    html = "…" * (start > 0) + "".join(marked) + "…" * (len(part) < len(text) - start)
    return mark_safe(html)  # noqa: S308 # nosec B308 B703


def find_titles(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Address and title of pages whose titles have all words."""
    for group in groups():
        for name, title in group.pages.items():
            if all(word in title.lower() for word in words):
                yield address_of(f"{name}.md"), title
