"""The colors of tokens.css can be read by people with ordinary eyesight."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[2] / "static" / "css" / "tokens.css"
STATES = ("best", "running", "completed", "terminated", "failed")


def tokens(theme: str) -> dict[str, str]:
    """The hexadecimal colors of one theme; dark ones replace those of light."""
    light, dark = CSS.read_text().split('[data-theme="dark"]')
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    if theme == "dark":
        found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark))
    return found


def channels(color: str) -> list[float]:
    return [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]


def luminance(parts: list[float]) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: list[float], second: list[float]) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def tinted(color: str, ground: str, share: float) -> list[float]:
    pairs = zip(channels(color), channels(ground), strict=True)
    return [share * c + (1 - share) * g for c, g in pairs]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ink", ["ink", "ink-2", "ink-3", "accent"])
@pytest.mark.parametrize("ground", ["bg", "surface", "sunken"])
def test_text_stands_out_from_its_ground(theme: str, ink: str, ground: str) -> None:
    colors = tokens(theme)
    assert contrast(channels(colors[ink]), channels(colors[ground])) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_a_state_can_be_read_on_its_own_tint(theme: str, state: str) -> None:
    colors = tokens(theme)
    share = 0.09 if theme == "light" else 0.14
    ground = tinted(colors[state], colors["surface"], share)
    assert contrast(channels(colors[state]), ground) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_a_state_s_marks_stand_out_in_charts(theme: str, state: str) -> None:
    colors = tokens(theme)
    fill = channels(colors[f"{state}-fill"])
    assert contrast(fill, channels(colors["surface"])) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_fields_and_the_filled_button_stand_out(theme: str) -> None:
    colors = tokens(theme)
    surface = channels(colors["surface"])
    assert contrast(channels(colors["field"]), surface) >= 3
    on_accent = channels(colors["on-accent"])
    assert contrast(on_accent, channels(colors["accent"])) >= 4.5
