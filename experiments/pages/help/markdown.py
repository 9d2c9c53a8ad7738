"""One page of docs/ as HTML: anchors as on code hosts, links within the site, pictures
with their size.

The files are the site's own. Their HTML is not taken over all the same.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

PNG_SIZE = slice(16, 24)
SVG_SIZE = re.compile(r'viewBox="0 0 (\d+) (\d+)"')
ABSOLUTE = re.compile(r"[a-z]+:", re.IGNORECASE)
# Returns the address of a file of docs/, or "" for what is not there.
Address = Callable[[str], str]


@dataclass
class HelpSection:
    """A heading and the text below it, for the search."""

    title: str
    anchor: str
    level: int
    words: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class HelpPage:
    """``name`` as in addresses: ``samplers``, ``tutorials/pytorch``."""

    name: str
    title: str
    html: SafeString
    sections: Sequence[HelpSection]


def parse(text: str) -> Sequence[Token]:
    return PARSER.parse(text)


def read_page(name: str, docs: Path, *, address: Address) -> HelpPage:
    tokens = parse((docs / f"{name}.md").read_text())
    sections = list(_sections(tokens))
    inside = posixpath.dirname(name)
    for token in tokens:
        for child in token.children or ():
            _lead(child, inside, docs, address)
    # Without the title, which the page's head shows.
    html = PARSER.renderer.render(tokens[3:], PARSER.options, {})
    # The parser has escaped all HTML of the text.
    safe = mark_safe(html)  # noqa: S308 # nosec B308 B703
    return HelpPage(name, sections[0].title, safe, sections)


def _sections(tokens: Sequence[Token]) -> Iterator[HelpSection]:
    """Also gives each heading its anchor."""
    section, taken = HelpSection("", "", 1), set[str]()
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and after is not None:
            if section.title:
                yield section
            title = plain(after)
            section = HelpSection(title, anchor_of(title, taken), int(token.tag[1]))
            token.attrSet("id", section.anchor)
        elif token.type == "inline":
            section.words.append(plain(token))
        elif token.type == "fence":
            section.words.append(token.content)
    yield section


def plain(inline: Token) -> str:
    """The text without marks."""
    children = inline.children or ()
    return "".join(" " if "break" in c.type else c.content for c in children)


def anchor_of(title: str, taken: set[str]) -> str:
    """As code hosts make it; a second one of the same name gets a number."""
    anchor = first = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
    number = 0
    while anchor in taken:
        number += 1
        anchor = f"{first}-{number}"
    taken.add(anchor)
    return anchor


def _lead(token: Token, inside: str, docs: Path, address: Address) -> None:
    """Links and pictures lead to pages and files of the site. What is not below docs/
    is no link."""
    key = {"link_open": "href", "image": "src"}.get(token.type)
    target = str(token.attrGet(key)) if key else ""
    if not key or target.startswith("#") or ABSOLUTE.match(target):
        return
    path, _, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(inside, path))
    if token.type == "image":
        _size(token, docs / path)
    if found := address(path):
        token.attrSet(key, f"{found}#{anchor}" if anchor else found)
    else:
        del token.attrs[key]


def _size(picture: Token, path: Path) -> None:
    """So that text does not move when the picture comes."""
    data = path.read_bytes()
    if path.suffix == ".svg":
        found = SVG_SIZE.search(data.decode())
        width, height = found.groups() if found else ("", "")
    else:
        size = data[PNG_SIZE]
        width, height = (str(int.from_bytes(part)) for part in (size[:4], size[4:]))
    picture.attrSet("width", width)
    picture.attrSet("height", height)
    picture.attrSet("loading", "lazy")


def _fence(tokens: Sequence[Token], at: int, *_: object) -> str:
    """A block of code, which the keyboard can scroll and a button copies."""
    return format_html(
        '<div class="code"><pre tabindex="0"><code data-copy-source>{}</code></pre>'
        '<button class="button button-link" type="button" data-copy data-needs-scripts>'
        "Copy</button></div>\n",
        tokens[at].content,
    )


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False})
    parser.enable(["table", "strikethrough"])
    rules = parser.renderer.rules  # type: ignore[attr-defined]
    rules["fence"] = _fence
    rules["table_open"] = lambda *_: '<div class="table-scroll" tabindex="0"><table>\n'
    rules["table_close"] = lambda *_: "</table></div>\n"
    return parser


PARSER = _parser()
