"""Addresses of git repositories in a document: read, and checked before git sees them.

No address may hold a password: documents are stored and shown, and git on the workers
has credentials of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from experiments.search.fields import Fields
from experiments.search.problems import shown
from experiments.search.records import JSONValue

LONGEST_ADDRESS = 500
LONGEST_REF = 200
LONGEST_PATH = 500
SCHEMES = ("https", "ssh", "file")
# user@host:path, as ssh knows it.
SCP = re.compile(r"[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:(?!-)[^\s:][^\s]*")
USER_AND_HOST = re.compile(r"(?:[A-Za-z0-9_][\w.-]*@)?\[?[A-Za-z0-9][\w.:-]*\]?")
REF = re.compile(r"(?![-/.])[^\s~^:?*\[\\\x00-\x20\x7f]+(?<![/.])")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".whl")
EXAMPLE = "https://git.example.org/team/project.git"
CREDENTIALS = (
    "The address must not hold a user's name, password or token: it is stored and "
    "shown. Leave it out; git on the workers uses the credentials that the workers' "
    "own user has, such as a credential helper or an ssh key."
)


@dataclass(frozen=True)
class GitText:
    """The parts of `https://host/repo.git@ref#path`."""

    url: str
    ref: str = ""
    path: str = ""

    def document(self) -> dict[str, JSONValue]:
        parts = {"url": self.url, "ref": self.ref, "path": self.path}
        return {name: text for name, text in parts.items() if text}


def is_address(text: str) -> bool:
    """Whether a plain text names a repository, and no folder."""
    if text.startswith("git+") or SCP.fullmatch(text):
        return True
    place = text.partition("#")[0].lower()
    return "://" in text and not place.endswith(ARCHIVES)


def split_address(text: str) -> GitText:
    """The parts of an address as text; they are not checked."""
    whole, _, path = text.strip().removeprefix("git+").partition("#")
    path = path.removeprefix("subdirectory=")
    start = whole.find("/", whole.find("://") + 3) if "://" in whole else -1
    if start < 0:
        start = whole.find(":")
    found = re.fullmatch(r"(.*[^/@])@([^@]+)", whole[start:]) if start >= 0 else None
    if found is None:
        return GitText(whole, path=path)
    return GitText(whole[:start] + found[1], found[2], path)


def read_git(document: Fields) -> dict[str, JSONValue]:
    """The mapping {url, ref, path}; what is wrong with it has been noted."""
    url = document.text("url", "", required=EXAMPLE, most=LONGEST_ADDRESS).strip()
    ref = document.text("ref", "", most=LONGEST_REF).strip()
    path = document.text("path", "", most=LONGEST_PATH).strip()
    document.close()
    if url and (problem := address_problem(url)):
        document.error("url", problem)
    if ref and (not REF.fullmatch(ref) or ".." in ref or "@{" in ref):
        document.error(
            "ref",
            "ref must be a branch, a tag or a whole commit id, such as main, not "
            f"{shown(ref)}.",
        )
    if path and not _is_inside(path):
        document.error(
            "path",
            "path must be a folder inside the repository, such as training/src, not "
            f"{shown(path)}.",
        )
    inner = "/".join(part for part in path.split("/") if part not in ("", "."))
    return GitText(url, ref, inner).document()


def address_problem(url: str) -> str:
    """What is wrong with a repository's address, nothing when it is good."""
    allowed = (
        "url must begin with https://, ssh://, git@ or, for a folder that the pool "
        f"allows, file://, such as {EXAMPLE}"
    )
    if not url.isprintable() or " " in url or url.startswith("-"):
        return f"{allowed}, not {shown(url)}."
    if "://" not in url:
        return "" if SCP.fullmatch(url) else f"{allowed}, not {shown(url)}."
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{allowed}, not {shown(url)}."
    return _place_problem(parts, allowed)


def _place_problem(parts: SplitResult, allowed: str) -> str:
    user, at, _ = parts.netloc.rpartition("@")
    if at and (parts.scheme != "ssh" or ":" in user):
        return CREDENTIALS
    if parts.scheme not in SCHEMES:
        return f"{allowed}, not {shown(parts.scheme)}://."
    if parts.query or parts.fragment:
        return f"{allowed}, without ? and #; a folder inside it is given as path."
    if parts.scheme == "file":
        good = not parts.netloc and parts.path.startswith("/")
        good = good and ".." not in parts.path.split("/")
        return "" if good else f"{allowed}, not {shown(parts.geturl())}."
    if not USER_AND_HOST.fullmatch(parts.netloc) or len(parts.path) < 2:
        return f"{allowed}, not {shown(parts.geturl())}."
    return ""


def _is_inside(path: str) -> bool:
    if not path.isprintable() or "\\" in path or path.startswith(("/", "-")):
        return False
    return ".." not in path.split("/")
