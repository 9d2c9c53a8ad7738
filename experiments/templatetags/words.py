"""Template filters: numbers, durations and times in words. Loaded everywhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html

from experiments import words

register = template.Library()


FILTERS: dict[str, Callable[..., str]] = {
    "number": words.number_text,
    "metric": words.metric_text,
    "signed": words.signed_text,
    "exact": words.exact_text,
    "share": words.share_text,
    "filesize_text": words.bytes_text,
    "duration": words.duration_text,
    "parameter": words.parameter_text,
}
for name, text in FILTERS.items():
    register.filter(name, text)


@register.filter
def ago(moment: datetime | None) -> str:
    """A <time> in relative words; the exact time on hover, kept fresh by scripts."""
    if moment is None:
        return "\u2013"
    return format_html(
        '<time data-relative datetime="{}" title="{}">{}</time>',
        moment.astimezone(UTC).isoformat(),
        timezone.localtime(moment).strftime("%-d %b %Y, %H:%M:%S"),
        words.relative_text(moment, timezone.now()),
    )


@register.filter
def clock(moment: datetime | None) -> str:
    """The time of day in the viewer's zone, the whole time on hover."""
    if moment is None:
        return "\u2013"
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.astimezone(UTC).isoformat(),
        local.strftime("%-d %b %Y, %H:%M:%S"),
        local.strftime("%H:%M:%S"),
    )


@register.filter
def item(mapping: Any, key: object) -> Any:
    """``mapping[key]``, or None."""
    return mapping.get(key)
