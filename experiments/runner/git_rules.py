"""What a worker lets git be told, whoever has written the sweep."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from experiments.runner.allowed_folders import allowed_path
from experiments.runner.code import CodeError
from experiments.runner.sources import GitSource

# user@host:path, as ssh knows it; nothing in it may look like an option.
SCP = re.compile(r"[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:(?!-)[^\s:][^\s]*")
HOST = re.compile(r"(?:[A-Za-z0-9_][\w.-]*@)?\[?[A-Za-z0-9][\w.:-]*\]?")
REF = re.compile(r"(?![-/.])[^\s~^:?*\[\\\x00-\x20\x7f]{1,200}")
SCHEMES = "a repository's address begins with https://, ssh://, git@ or file://"


def checked(source: GitSource) -> GitSource:
    """The source, once nothing in it can be taken for an option or lead elsewhere.

    Raises CodeError.
    """
    if source.url.startswith("-") or not source.url.isprintable() or " " in source.url:
        raise CodeError(f"{source.url!r} is no address of a repository; {SCHEMES}")
    scheme = source.url.partition("://")[0] if "://" in source.url else ""
    if scheme == "file":
        allowed_path(unquote(source.url.removeprefix("file://")), source.allowed)
    elif scheme in ("https", "ssh"):
        _check_host(source.url, scheme)
    elif scheme or not SCP.fullmatch(source.url):
        raise CodeError(f"{source.url!r} cannot be fetched from; {SCHEMES}")
    if source.ref and (not REF.fullmatch(source.ref) or ".." in source.ref):
        raise CodeError(f"{source.ref!r} is no branch, tag or commit")
    if source.path.startswith(("/", "-")) or ".." in source.path.split("/"):
        raise CodeError(f"{source.path!r} is no path inside the repository")
    return source


def _check_host(url: str, scheme: str) -> None:
    place = urlsplit(url).netloc
    if not HOST.fullmatch(place) or (scheme == "https" and "@" in place):
        raise CodeError(
            f"{scheme}:// must be followed by a host without a password; git on the "
            "worker uses its own credentials"
        )
