"""The folders of a pool's hosts from which sweeps may run code: which may be named.

Whoever may submit a sweep can read what lies there, so folders are refused that hold
what is nobody else's: keys, the system's settings, the site's own data.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from experiments.runner.allowed_folders import secret_part
from experiments.search.problems import cut, shown

MOST_FOLDERS = 50
LONGEST = 1_000
MOST_SHOWN = 200
# Refused with all that is in them.
SYSTEM = ("/etc", "/proc", "/sys", "/dev", "/boot", "/run", "/var/run", "/var/log")
# Refused as a whole; a folder in them may be named.
WHOLE: Mapping[str, str] = {
    "/": "would open every file of the hosts",
    "/root": "is the home of the hosts\N{RIGHT SINGLE QUOTATION MARK} administrator",
    "/home": "holds everybody\N{RIGHT SINGLE QUOTATION MARK}s own files",
    **dict.fromkeys(("/usr", "/var", "/var/lib"), "holds the system itself"),
}
# Each folder right in these is refused as a whole as well; one in it may be named.
HOMES: Mapping[str, str] = {
    "/root": "lies right in the administrator\N{RIGHT SINGLE QUOTATION MARK}s home",
    "/home": "is the whole home of somebody",
}


class FoldersField(forms.CharField):
    """Absolute folders, one a line; a list of them inside."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "mono"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = [line.strip() for line in str(value or "").splitlines()]
        return list(dict.fromkeys(tidy(line) for line in lines if line))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))

    def validate(self, value: Any) -> None:
        if len(value) > MOST_FOLDERS:
            raise ValidationError(
                f"At most {MOST_FOLDERS} folders; these are {len(value)}."
            )
        for folder in value:
            if why := refusal(folder):
                raise ValidationError(why)

    def run_validators(self, value: Any) -> None:
        """None of a text's: the value is a list by now."""


def tidy(line: str) -> str:
    """A whole path without doubled and trailing slashes; the rest as it is."""
    if not line.startswith("/") or ".." in line.split("/"):
        return line
    return str(PurePosixPath("/", line.lstrip("/")))


def refusal(folder: str) -> str:
    """The sentence that says why sweeps may not run code from it; empty: they may."""
    if not folder.startswith("/") or ".." in folder.split("/"):
        return (
            f"{shown(folder)} is no whole path. Write one from the root on, without"
            " \N{LEFT DOUBLE QUOTATION MARK}..\N{RIGHT DOUBLE QUOTATION MARK}, such as"
            " /srv/code."
        )
    if len(folder) > LONGEST:
        return (
            f"{cut(folder)} has {len(folder):,} characters; a path may have up to"
            f" {LONGEST:,}."
        )
    if not folder.isprintable():
        return f"{shown(folder)} has characters that cannot be shown. Leave them out."
    # Where this is one of the pool's hosts, links may lead somewhere else.
    real = os.path.realpath(folder)
    why = _why(PurePosixPath(folder)) or _why(PurePosixPath(real))
    leads = f" (a link to {cut(real, most=MOST_SHOWN)})" if real != folder else ""
    return f"{cut(folder, most=MOST_SHOWN)}{leads} {why}" if why else ""


def _why(folder: PurePosixPath) -> str:
    advice = "Name a folder that holds code only, such as /srv/code."
    if (words := WHOLE.get(str(folder))) is not None:
        return f"{words}, and sweeps could read it all. {advice}"
    if _inside(folder, SYSTEM):
        return f"belongs to the system, and sweeps could read its secrets. {advice}"
    if (words := HOMES.get(str(folder.parent))) is not None:
        return (
            f"{words}, where keys and passwords may be kept, and sweeps could read it"
            f" all. Name a folder in it that holds code only, such as"
            f" {cut(str(folder / 'code'), most=MOST_SHOWN)}."
        )
    if secret_part(folder):
        return f"holds keys and passwords, and sweeps could read them. {advice}"
    home = PurePosixPath(settings.HOME)
    if folder.is_relative_to(home) or home.is_relative_to(folder):
        return (
            f"holds the site\N{RIGHT SINGLE QUOTATION MARK}s own data"
            f" ({home}), and sweeps could read all teams"
            f"\N{RIGHT SINGLE QUOTATION MARK} files and the secret key. {advice}"
        )
    return ""


def _inside(folder: PurePosixPath, closed: Sequence[str]) -> bool:
    return any(folder.is_relative_to(each) for each in closed)
