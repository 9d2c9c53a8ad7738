"""Templates keep to the content security policy and name glyphs that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOKENS = ROOT / "static" / "css" / "tokens.css"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SHEETS = sorted(set((ROOT / "static/css").rglob("*.css")) - {TOKENS})
SPRITE = set(
    re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static/icons.svg").read_text())
)
STATES = {"best", "completed", "terminated", "failed", "running", "cancelled", "queued"}
COMMENT = re.compile(r"{% comment %}.*?{% endcomment %}", re.S)


def body(path: Path) -> str:
    return COMMENT.sub("", path.read_text())


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_a_template_has_no_inline_style_script_or_handler(path: Path) -> None:
    text = body(path)
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert "javascript:" not in text


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_every_glyph_that_a_template_names_is_in_the_sprite(path: Path) -> None:
    named = re.findall(r'components/glyph\.html"\s+with\s+name="([\w-]+)"', body(path))
    assert set(named) <= SPRITE


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_a_menu_opens_without_scripts(path: Path) -> None:
    """Its button names it, which is all that a browser needs."""
    buttons = re.findall(r'popovertarget="([^"]+)"', body(path))
    assert buttons == re.findall(r'id="([^"]+)" popover\b', body(path))


def test_every_state_has_a_glyph() -> None:
    assert STATES | {"draft", "paused", "left"} <= SPRITE


@pytest.mark.parametrize("path", SHEETS, ids=relative)
def test_only_the_tokens_name_colors(path: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    colors = re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{]*;)", text)
    assert set(colors) <= {"#000"}  # of a mask, where only its opacity counts


SCRIPTS = sorted((ROOT / "static" / "js").rglob("*.js"))


def scripts_with(pattern: str) -> set[str]:
    found = re.compile(pattern)
    return {path.name for path in SCRIPTS if found.search(path.read_text())}


def test_scripts_store_the_theme_ticks_and_a_form_during_a_login_only() -> None:
    storage = r"localStorage|sessionStorage|indexedDB|document\.cookie"
    assert scripts_with(storage) == {"theme.js", "login.js", "ticks.js", "bell.js"}
    # Yes or no, and the number of the newest notification.
    bell = (ROOT / "static/js/bell.js").read_text()
    assert re.findall(r"setItem\((\w+), (.*?)\);", bell) == [
        ("SEEN", "String(feed.newest)"),
        ("WANTED", 'wanted ? "yes" : "no"'),
    ]
    login = (ROOT / "static/js/pages/login.js").read_text()
    # The tab forgets it when it closes, and it is taken out before it is used.
    assert "localStorage" not in login and "sessionStorage.removeItem(KEY)" in login


def test_scripts_never_write_to_a_key_that_comes_from_data() -> None:
    """So no data can change what all objects have. These write by a state and by a
    position; those of charts by a row's place in an array of numbers."""
    written = r"\w\[[^\]\"'0-9]+\] (?:[+|?&]{0,2})= "
    by_row = {"axes.js", "columns.js", "conditions.js", "density.js", "edf.js"}
    by_row |= {"parallel_geometry.js", "plot_points.js"}
    assert scripts_with(written) == {"states.js", "labels.js"} | by_row
    assert scripts_with(r"\beval\(|new Function|postMessage|__proto__") == set()
