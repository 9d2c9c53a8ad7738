"""Where a trial's code comes from: `trial.code` of a document.

Addresses of git repositories are checked before git sees them. They must not contain a
password, because documents are stored and shown; git on the workers has credentials.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from experiments.search.fields import Diagnostics, Fields, join, shown
from experiments.search.records import JSONValue

MAX_ADDRESS_LENGTH = 500
MAX_REF_LENGTH = 200
SCHEMES = ("https", "ssh", "file")
# user@host:path, as in ssh.
SCP = re.compile(r"(?a:[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*):(?!-)[^\s:][^\s]*")
USER_AND_HOST = re.compile(r"(?a:(?:[A-Za-z0-9_][\w.-]*@)?\[?[A-Za-z0-9][\w.:-]*\]?)")
REF = re.compile(r"(?![-/.])[^\s~^:?*\[\\\x00-\x20\x7f]+(?<![/.])")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".whl")
EXAMPLE = "https://git.example.org/team/project.git"
CREDENTIALS = (
    "The address must not contain a user name, password or token, because it is stored "
    "and shown. Git on the workers uses the credentials of the workers' own user, such "
    "as a credential helper or an ssh key."
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
    """Whether a text is the address of a repository and not a folder."""
    if text.startswith("git+") or SCP.fullmatch(text):
        return True
    place = text.partition("#")[0].lower()
    return "://" in text and not place.endswith(ARCHIVES)


def split_address(text: str) -> GitText:
    """The unchecked parts of an address."""
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
    """The mapping {url, ref, path}; notes problems."""
    url = document.text("url", "", required=EXAMPLE, most=MAX_ADDRESS_LENGTH).strip()
    ref = document.text("ref", "", most=MAX_REF_LENGTH).strip()
    path = document.text("path", "", most=MAX_PATH_LENGTH).strip()
    document.close()
    if url and (problem := address_problem(url)):
        document.error("url", problem)
    if ref and (not REF.fullmatch(ref) or ".." in ref or "@{" in ref):
        allowed = "a branch, a tag or a whole commit id, such as main"
        document.must_be("ref", allowed, value=ref)
    if path and not _is_inside(path):
        allowed = "a folder inside the repository, such as training/src"
        document.must_be("path", allowed, value=path)
    inner = "/".join(part for part in path.split("/") if part not in ("", "."))
    return GitText(url, ref, inner).document()


def address_problem(url: str) -> str:
    """What is wrong with a repository's address; empty if it is valid."""
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
        parts.port  # noqa: B018
    except ValueError as problem:
        return f"{allowed}, not {shown(url)}: {problem}."
    return _place_problem(parts, allowed)


def _place_problem(parts: SplitResult, allowed: str) -> str:
    user, at, _ = parts.netloc.rpartition("@")
    if at and (parts.scheme != "ssh" or ":" in user):
        return CREDENTIALS
    if parts.scheme not in SCHEMES:
        return f"{allowed}, not {shown(parts.scheme)}://."
    if parts.query or parts.fragment:
        return f"{allowed}, without ? and #. Name a folder inside it with path."
    if parts.scheme == "file":
        good = not parts.netloc and parts.path.startswith("/")
        good = good and ".." not in parts.path.split("/")
        return "" if good else f"{allowed}, not {shown(parts.geturl())}."
    if not (parts.hostname or "").isascii():
        return f"Write the host {shown(parts.hostname)} in ASCII{_ascii_form(parts)}."
    if not USER_AND_HOST.fullmatch(parts.netloc) or len(parts.path) < 2:
        return f"{allowed}, not {shown(parts.geturl())}."
    return ""


def _ascii_form(parts: SplitResult) -> str:
    try:
        return f", as {(parts.hostname or '').encode('idna').decode()}"
    except UnicodeError:
        return ""


def _is_inside(path: str) -> bool:
    if not path.isprintable() or "\\" in path or path.startswith(("/", "-")):
        return False
    return ".." not in path.split("/")


# The path of a folder beside the document, {"files": {path: text}}, {"upload": id},
# {"git": {"url", "ref", "path"}} or {"folder": whole path on the workers}.
Code: TypeAlias = "str | dict[str, JSONValue]"

UPLOAD = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
MAX_PATH_LENGTH = 500
MAX_FILES = 1000
WAYS = ("files", "upload", "git", "folder")
ALLOWED = (
    "code must be a folder's path such as ./src, {files: {train.py: TEXT}}, "
    "{upload: ID}, {git: {url: ADDRESS, ref: main}} or {folder: /srv/code}"
)


def read_code(trial: Fields) -> Code | None:
    """`code` of a trial; None if left out or invalid, after noting it."""
    value = trial.raw("code")
    path = join(trial.path, "code")
    if isinstance(value, str):
        return _read_text(value, path, trial.diagnostics)
    if value is not None and not isinstance(value, Mapping):
        trial.diagnostics.error(path, f"{ALLOWED}, not {shown(value)}.")
    if not isinstance(value, Mapping):
        return None
    document = Fields(value, path, trial.diagnostics)
    if sum(value.get(way) is not None for way in WAYS) != 1:
        trial.diagnostics.error(path, f"{ALLOWED}; use exactly one of them.")
    code = _read_mapping(document)
    document.close()
    return code


def _read_mapping(document: Fields) -> Code | None:
    files, git = document.inner("files"), _git_fields(document)
    upload = document.text("upload", None, most=200)
    folder = document.text("folder", None, most=MAX_PATH_LENGTH)
    if files is not None:
        return {"files": _read_files(files)}
    if git is not None:
        return {"git": read_git(git)}
    if folder is not None:
        return _read_shared(folder, document)
    if upload is not None and not UPLOAD.fullmatch(upload):
        document.must_be("upload", "an upload's id", value=upload)
    return None if upload is None else {"upload": upload}


def _git_fields(document: Fields) -> Fields | None:
    """The fields of a repository, also if it is one text."""
    value, path = document.raw("git"), join(document.path, "git")
    if isinstance(value, str) and value.strip():
        return Fields(split_address(value).document(), path, document.diagnostics)
    return document.inner("git")


def _read_text(text: str, path: str, diagnostics: Diagnostics) -> Code | None:
    if not text.strip() or len(text) > MAX_PATH_LENGTH or "\0" in text or "\n" in text:
        diagnostics.error(path, f"{ALLOWED}, not {shown(text)}.")
        return None
    if is_address(text) and not text.startswith("azureml:"):
        inner = Fields(split_address(text).document(), join(path, "git"), diagnostics)
        return {"git": read_git(inner)}
    if "://" in text or text.startswith("azureml:"):
        diagnostics.error(path, f"{ALLOWED}; this address is not supported: {text}.")
        return None
    return text


def _read_shared(folder: str, document: Fields) -> Code:
    """A folder on the workers, which its pool must allow."""
    parts = folder.strip().split("/")
    if not folder.isprintable() or parts[0] or ".." in parts or not any(parts):
        allowed = "a whole path on the workers without .., such as /srv/code/digits"
        document.must_be("folder", allowed, value=folder)
    return {"folder": "/" + "/".join(part for part in parts if part not in ("", "."))}


def _read_files(document: Fields) -> dict[str, JSONValue]:
    files: dict[str, JSONValue] = {}
    entries = document.entries()
    if not 1 <= len(entries) <= MAX_FILES:
        document.diagnostics.error(
            document.path,
            f"files must hold 1 to {MAX_FILES:,} files, not {len(entries):,}.",
        )
    for name, text in entries:
        if not stays_inside(name):
            document.error(
                name,
                "A file's name must be a path inside the folder, such as train.py or "
                f"data/load.py, not {shown(name)}.",
            )
        elif not isinstance(text, str):
            document.error(name, f"A file's content must be text, not {shown(text)}.")
        else:
            files[name] = text
    return files


def stays_inside(name: str) -> bool:
    """Whether a name is a relative path without . and .. in it."""
    if not 0 < len(name) <= MAX_PATH_LENGTH or "\\" in name or not name.isprintable():
        return False
    parts = name.split("/")
    if PurePosixPath(name).is_absolute() or re.match("[A-Za-z]:", name):
        return False
    return not any(part.strip() in ("", ".", "..") for part in parts)
