"""A page's scripts with all that they import, named in its head. A browser finds
imports only in what it has read, so each level of them takes another round trip.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path

from django import template
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

register = template.Library()
# Also of import("…"), which the page asks for a little later.
IMPORT = re.compile(r'\b(?:from|import)\s*\(?\s*"(\.[^"]+)"')


@register.simple_tag
def preload_modules(name: str) -> SafeString:
    """Links for a script below ``static``, and for what it imports."""
    links = ((static(each),) for each in imported_modules(name))
    return format_html_join("", '<link rel="modulepreload" href="{}">', links)


@cache
def imported_modules(name: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        each = waiting.pop(0)
        path = finders.find(each)
        if each in found or path is None:
            continue
        found[each] = None
        imports = IMPORT.findall(Path(path).read_text())
        folder = posixpath.dirname(each)
        waiting += [posixpath.normpath(f"{folder}/{target}") for target in imports]
    return tuple(found)
