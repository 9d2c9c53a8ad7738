"""Notes in Markdown as safe HTML: no HTML of the author, no pictures, no scripts."""

from __future__ import annotations

from functools import lru_cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

# The rest of a longer note is not shown.
MAX_NOTE = 100_000
MAX_NESTING = 20
TAGS = {
    *("a", "blockquote", "br", "code", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol"),
    *("p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}
# The page itself has headings 1 and 2.
HEADING_BELOW = 2


def _parser() -> MarkdownIt:
    """CommonMark with tables and struck text; each line end is kept."""
    options = {"html": False, "breaks": True, "maxNesting": MAX_NESTING}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    return parser.disable(["image", "html_block", "html_inline"])


PARSER = _parser()


@lru_cache(maxsize=64)
def markdown_html(text: str) -> SafeString:
    """The note as HTML, which is safe on a page."""
    tokens = PARSER.parse(text[:MAX_NOTE])
    for token in tokens:
        _lower(token)
    html = PARSER.renderer.render(tokens, PARSER.options, {})
    safe = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel="nofollow noopener noreferrer",
    )
    # nh3 has made it safe.
    return mark_safe(safe)  # noqa: S308 # nosec B308 B703


def _lower(token: Token) -> None:
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(6, int(token.tag[1]) + HEADING_BELOW)}"
