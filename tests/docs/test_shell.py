"""Commands in the documentation exist and take their options."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from tests.docs.blocks import ROOT, Block, blocks

SHELL = blocks("sh")
# Programs of the system, of Python and of containers.
PROGRAMS = {
    *("sudo", "useradd", "chmod", "install", "cp", "systemctl", "cd", "mkdir", "set"),
    *("git", "pip", "podman", "curl", "tail", "export", "python3", "tar", "sbatch"),
    *("sqlite3", "rsync", "kubectl", "docker", "createuser", "createdb", "env"),
}
PYTHON = re.compile(r"(.*/)?python(3(\.\d+)?)?")
INSIDE = re.compile(r"\$\(([^()]*)\)")
# Names that need a package which no file of requirements has.
PACKAGES = {"optuna-tpe": "optuna"}


def commands(code: str) -> Iterator[list[str]]:
    """The words of each command, also of those inside others."""
    code = code.replace("\\\n", " ")
    for inner in INSIDE.findall(code):
        yield from commands(inner)
    for line in INSIDE.sub("VALUE", code).splitlines():
        words = shlex.split(line, comments=True)
        for part in _split(words):
            while part and re.fullmatch(r"[A-Z_]+=.*", part[0]):
                part = part[1:]
            if part[:2] == ["sudo", "-u"]:
                part = part[3:]
            if part[:2] == ["sh", "-c"]:
                yield from commands(part[2].replace(";", "\n").replace(". /", "cd /"))
            elif part:
                yield part


def _split(words: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in words:
        if word in ("&&", "|", ";", "||"):
            yield part
            part = []
        else:
            part.append(word)
    yield part


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_command_of_a_block_can_be_run(block: Block) -> None:
    subprocess.run(["bash", "-n", "-c", block.code], check=True)
    for words in commands(block.code):
        check(words, block)


def check(words: Sequence[str], block: Block) -> None:
    if "manage.py" in words:
        check_manage(words[words.index("manage.py") + 1 :])
    elif PYTHON.fullmatch(words[0]) and words[1:2] == ["-m"]:
        check_module(words[2], words[3:])
    elif PYTHON.fullmatch(words[0]) and words[1:]:
        assert names_file(words[1], block), words
    else:
        assert Path(words[0]).name in PROGRAMS, f"{block}: {words[0]} is not known here"


def names_file(name: str, block: Block) -> bool:
    """In the repository, or one that the page shows."""
    return (ROOT / name).is_file() or f"`{name}`" in (ROOT / block.page).read_text()


def check_manage(words: Sequence[str]) -> None:
    name, *options = words
    command = load_command_class(get_commands()[name], name)
    command.create_parser("manage.py", name).parse_args(options)


def check_module(name: str, words: Sequence[str]) -> None:
    if name == "sweepsite_client":
        client = importlib.import_module("sweepsite_client.__main__")
        client._parser().parse_args(words)
        return
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin, name
    if name.startswith("tests."):
        source = Path(spec.origin).read_text()
        options = [word for word in words if word.startswith("--")]
        assert [o for o in options if f'"{o}"' not in source] == []


@pytest.fixture(autouse=True)
def _client_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "experiments/client")


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_a_block_that_needs_another_package_says_so(block: Block) -> None:
    page = (ROOT / block.page).read_text()
    for word, package in PACKAGES.items():
        if word in block.code:
            assert f"pip install {package}" in page
