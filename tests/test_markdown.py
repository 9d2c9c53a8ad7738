"""Notes in Markdown: what they may contain, and what never reaches a page."""

from __future__ import annotations

import re
import time

import pytest

from experiments.markdown import markdown_html


def test_a_note_has_words_lists_tables_code_and_links() -> None:
    html = markdown_html(
        "# Found\n\n**lr** matters\nmost\n\n- a\n- ~~b~~\n\n|x|y|\n|-|-|\n|1|2|\n\n"
        "`code` and [paper](https://example.org/a) and [sweep](/sweeps/1/)"
    )
    for part in (
        *("<h3>Found</h3>", "<strong>lr</strong> matters<br>", "<s>b</s>"),
        *("<td>1</td>", "<code>code</code>", 'href="/sweeps/1/"'),
    ):
        assert part in html
    assert 'href="https://example.org/a" rel="nofollow noopener noreferrer"' in html


@pytest.mark.parametrize(
    "note",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<iframe src='https://evil.example'></iframe>",
        "<svg/onload=alert(1)>",
        "<style>*{display:none}</style>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt&colon;alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "[a](vbscript:x)",
        "<javascript:alert(1)>",
        '[a](https://x.example "\\" onmouseover=alert(1) x=\\"")',
        "[a]: javascript:alert(1)\n\n[a]",
        "![a](https://evil.example/pixel.png)",
        "<a href='javascript:alert(1)' onclick=alert(1)>a</a>",
        "```<script>\n</code></pre><script>alert(1)</script>\n```",
        "<base href=//evil.example><form action=//evil.example><input>",
        "<math><mtext></p><img src onerror=alert(1)>",
    ],
)
def test_a_hostile_note_is_text(note: str) -> None:
    html = markdown_html(note)
    tags = set(re.findall(r"<(/?\w+)", html))
    assert {tag.lstrip("/") for tag in tags} <= {"p", "a", "pre", "code", "br"}
    for href in re.findall(r'href="([^"]*)"', html):
        assert href.startswith(("https://", "/")), href
    assert not re.findall(r"<[^>]*\s(?:on|src|style)", re.sub(r'"[^"]*"', '""', html))


@pytest.mark.parametrize("part", ["[", "![", "*a ", "**a _b ", "`a", ">", "[a](b", "&"])
def test_a_long_hostile_note_is_quick(part: str) -> None:
    start = time.process_time()
    markdown_html(part * (100_000 // len(part)))
    assert time.process_time() - start < 8
