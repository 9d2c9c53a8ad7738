"""Fields of the builder on what a trial is made of: code, interpreter, packages."""

from __future__ import annotations

import re
from collections.abc import Mapping

from experiments.search.git_address import is_address, split_address
from experiments.search.records import JSONValue

FILES, GIT, FOLDER = "files", "git", "folder"
CODE_KINDS = (FILES, GIT, FOLDER)
# One line that is the name of a file of the code, rather than a package.
FILE_NAME = re.compile(r"[^\s=<>~!@\[\];]+\.(?:txt|in|lock)")
# A list without any package asks for an environment with nothing in it.
NOTHING = "# no packages"


def code_kind(texts: Mapping[str, str]) -> str:
    """Which of the sources is picked; without a pick, what there is."""
    picked = texts.get("code_kind", "")
    if picked in CODE_KINDS:
        return picked
    return FOLDER if texts.get("folder") and not texts.get("code") else FILES


def code_texts(code: object) -> dict[str, str]:
    """The form's texts for a document's `code`, but for the fields of a repository."""
    if isinstance(code, str):
        code = {GIT: code} if is_address(code) else {FOLDER: code}
    if not isinstance(code, Mapping):
        return {"code_kind": FILES, "code": "", "folder": ""}
    upload, folder = code.get("upload"), code.get("folder")
    kind = next((name for name in (GIT, FOLDER) if code.get(name) is not None), FILES)
    return {
        "code_kind": kind,
        "code": upload if isinstance(upload, str) else "",
        "folder": folder if isinstance(folder, str) else "",
    }


def repository_of(code: object) -> object:
    """The mapping of a document's repository, which may stand there as one text."""
    text = code.get("git") if isinstance(code, Mapping) else code
    if isinstance(text, str) and (isinstance(code, Mapping) or is_address(text)):
        return split_address(text).document()
    return text if isinstance(text, Mapping) else {}


def read_requirements(text: str) -> JSONValue:
    """One line with a file's name, or a list of lines; None for nothing."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    if len(lines) == 1 and FILE_NAME.fullmatch(lines[0]):
        return lines[0]
    named = [line for line in lines if not line.startswith("#")]
    return [*lines] if named else []


def write_requirements(value: object) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list | tuple):
        return ""
    return "\n".join(str(line) for line in value) or NOTHING
