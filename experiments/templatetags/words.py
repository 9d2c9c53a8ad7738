"""Template filters for numbers, durations, times and code, built in everywhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html

from experiments import formatting
from experiments.markdown import markdown_html

register = template.Library()
FILTERS: dict[str, Callable[..., str]] = {
    "number": formatting.number_text,
    "metric": formatting.metric_text,
    "metric_of": formatting.named_metric_text,
    "signed": formatting.signed_text,
    "exact": formatting.exact_text,
    "share": formatting.share_text,
    "filesize_text": formatting.bytes_text,
    "duration": formatting.duration_text,
    "rough_duration": formatting.rough_duration_text,
    "parameter": formatting.parameter_text,
    "code_words": formatting.code_words,
    "packages_words": formatting.packages_words,
    "markdown": markdown_html,
}
for name, text in FILTERS.items():
    register.filter(name, text)


@register.filter
def ago(moment: datetime | None) -> str:
    """A <time> such as ``2 s ago``, which scripts update; the exact time on hover."""
    if moment is None:
        return "\u2013"
    return format_html(
        '<time data-relative datetime="{}" title="{}">{}</time>',
        moment.astimezone(UTC).isoformat(),
        timezone.localtime(moment).strftime("%-d %b %Y, %H:%M:%S"),
        formatting.relative_text(moment, timezone.now()),
    )


@register.filter
def clock(moment: datetime | None) -> str:
    """The time of day in the viewer's time zone; date and time on hover."""
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
