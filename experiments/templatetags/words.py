"""Template filters: numbers, durations and times in words. Loaded everywhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html

from experiments import words

register = template.Library()


@register.filter
def number(value: object) -> str:
    return words.number_text(value)


@register.filter
def metric(value: float | None) -> str:
    return words.metric_text(value)


@register.filter
def signed(value: float | None) -> str:
    return words.signed_text(value)


@register.filter
def exact(value: object) -> str:
    return words.exact_text(value)


@register.filter
def share(value: float) -> str:
    return words.share_text(value)


@register.filter
def filesize_text(size: float) -> str:
    return words.bytes_text(size)


@register.filter
def duration(seconds: float | timedelta | None) -> str:
    return words.duration_text(seconds)


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
def parameter(value: Any) -> str:
    """A parameter's value as people write it: text bare, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | list | dict) or value is None:
        return json.dumps(value)
    return words.number_text(value)


@register.filter
def item(mapping: Any, key: object) -> Any:
    """``mapping[key]``, or None."""
    return mapping.get(key)
