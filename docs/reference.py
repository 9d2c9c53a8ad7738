"""Writes docs/commands.md from the commands themselves.

``python -m docs.reference`` does it again after a command has changed. A test compares
the page with the commands.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "commands.md"
INTRODUCTION = """\
# Commands

What runs on the site's own machine is a command of `manage.py`, in the folder of the
installation: `.venv/bin/python manage.py up`. `python -m sweepsite_client` works from
any machine. This page is made from the commands; `--help` shows the same. All commands
of `manage.py` also take Django's options, such as `--traceback`.
"""
# Django's, which record an event here.
DJANGOS = {"changepassword", "createsuperuser", "migrate"}


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sweepsite.settings")
    django.setup()
    PAGE.write_text(commands_page())


def commands_page() -> str:
    parts = [INTRODUCTION]
    for parser in parsers():
        parts += described(parser, level=2)
    return "\n".join(parts)


def parsers() -> Iterator[argparse.ArgumentParser]:
    """Those of our own commands, then that of the client."""
    from django.core.management import load_command_class
    from django.core.management.base import BaseCommand

    django_options = BaseCommand().create_parser("manage.py", "any")._actions
    hidden = {name for action in django_options for name in action.option_strings}
    for path in sorted((ROOT / "experiments/management/commands").glob("[a-z]*.py")):
        if path.stem not in DJANGOS:
            command = load_command_class("experiments", path.stem)
            parser = command.create_parser("manage.py", path.stem)
            for action in parser._actions:
                if set(action.option_strings) & (hidden | {"--skip-checks"}):
                    action.help = argparse.SUPPRESS
            yield parser
    sys.path.insert(0, str(ROOT / "experiments/client"))
    from sweepsite_client.__main__ import _parser

    yield _parser()


def described(
    parser: argparse.ArgumentParser, *, level: int, text: str = ""
) -> Iterator[str]:
    """A heading, what it does, a row for each argument, then its actions."""
    yield f"{'#' * level} {parser.prog}\n"
    if sentence := _sentence(parser.description or text):
        yield f"{sentence}\n"
    shown = [a for a in parser._actions if a.help != argparse.SUPPRESS]
    choices = [a for a in shown if isinstance(a, argparse._SubParsersAction)]
    rows = [_row(parser, a) for a in shown if a.dest != "help" and a not in choices]
    if rows:
        yield "\n".join(("| argument | means |", "|---|---|", *rows, ""))
    for each in choices:
        texts = {a.dest: a.help or "" for a in each._choices_actions}
        for name, inner in each.choices.items():
            if texts.get(name) != argparse.SUPPRESS:
                yield from described(inner, level=level + 1, text=texts.get(name, ""))


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = argparse.HelpFormatter(parser.prog)
    value = "" if action.nargs == 0 else formatter._format_args(action, _name(action))
    names = [f"{name} {value}".strip() for name in action.option_strings] or [value]
    words = formatter._expand_help(action) if action.help else ""
    cells = (", ".join(f"`{name}`" for name in names), " ".join(words.split()))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _name(action: argparse.Action) -> str:
    if action.choices and not action.metavar:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper())


def _sentence(text: str) -> str:
    words = " ".join(text.split())
    if not words:
        return ""
    return words[:1].upper() + words[1:] + ("" if words[-1:] in ".?!" else ".")


if __name__ == "__main__":
    main()
