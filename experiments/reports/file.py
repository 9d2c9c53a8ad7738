"""The report as one HTML file that requests nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache

from django.conf import settings
from django.core.cache import cache
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from experiments.models import Sweep
from experiments.reports.contents import report_of

# A link may be opened by many at once.
CACHED_FOR = 60
DARK = '[data-theme="dark"] {'


def report_html(sweep: Sweep, parts: Sequence[str]) -> str:
    """The file, with these of the parts that a report can have."""
    context = {
        "report": report_of(sweep, parts, now=timezone.now()),
        "style": style(),
        "policy": content_policy(),
    }
    return render_to_string("experiments/reports/file.html", context)


def cached_report_html(sweep: Sweep, parts: Sequence[str]) -> str:
    """The same, at most a minute old."""
    key = f"report-{sweep.pk}-{'-'.join(parts)}"
    found: str | None = cache.get(key)
    if found is None:
        found = report_html(sweep, parts)
        cache.set(key, found, CACHED_FOR)
    return found


@lru_cache(maxsize=1)
def style() -> SafeString:
    """The site's colors, dark by the reader's system, and the report's own rules."""
    folder = settings.BASE_DIR / "static" / "css"
    tokens = (folder / "tokens.css").read_text()
    start = tokens.index(DARK)
    end = tokens.index("\n}\n", start) + 3
    dark = tokens[start:end].replace(
        DARK, "@media (prefers-color-scheme: dark) { :root {"
    )
    own = (folder / "report.css").read_text()
    text = f"{tokens[:start]}{dark.rstrip()} }}\n{tokens[end:]}{own}"
    # Our own style sheets.
    return mark_safe(text)  # noqa: S308 # nosec B308 B703


@lru_cache(maxsize=1)
def content_policy() -> str:
    """Nothing but its own style, which it names by digest, and an empty icon: without
    one, browsers ask the site for its own."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def report_headers(name: str, *, as_download: bool) -> dict[str, str]:
    """Of the answer with the file; ``name`` without its ending."""
    kind = "attachment" if as_download else "inline"
    return {
        "Content-Security-Policy": f"{content_policy()}; frame-ancestors 'none'",
        "Content-Disposition": f'{kind}; filename="{name}-report.html"',
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
        "Cache-Control": "private, no-store",
    }
