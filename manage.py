#!/usr/bin/env python3
"""Django's command line, with one line instead of a traceback for what people can
repair: bad settings, files that cannot be used, a database that does not work.
"""

from __future__ import annotations

import errno
import logging.config
import os
import sys
from importlib import import_module

from experiments.workers.secrets import protect

OWNER = "Run this as the user to whom it belongs, or correct its permissions."
IN_THE_WAY = "Move it away; a new one is made."
ADVICE = {
    errno.EACCES: OWNER,
    errno.EPERM: OWNER,
    errno.EROFS: "Its disk is read-only: set SWEEPSITE_HOME to a folder elsewhere.",
    errno.ENOSPC: "Free some space, or set SWEEPSITE_HOME to a folder elsewhere.",
    errno.EDQUOT: "Free some space, or set SWEEPSITE_HOME to a folder elsewhere.",
    errno.EEXIST: IN_THE_WAY,
    errno.EISDIR: IN_THE_WAY,
    errno.ENOTDIR: IN_THE_WAY,
}


def explain(error: Exception) -> str:
    """What to do about an error, in a sentence; empty for a bug."""
    if isinstance(error, OSError):
        advice = ADVICE.get(error.errno or 0) if error.filename else None
        return f"{error.filename}: {error.strerror}. {advice}" if advice else ""
    from experiments.db import problems

    return problems.explain(error)


def other_settings(words: list[str]) -> bool:
    """Whether they name other settings, which Django must know before anything else."""
    return any(word.startswith(("--settings", "--pythonpath")) for word in words)


def main() -> None:
    protect()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sweepsite.settings")
    try:
        from django.conf import settings
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit(
            "Django is not installed for this Python. Run the install command of the"
            " README first: python3 -m pip install -r requirements.txt"
        )
    try:
        # These do not need Django's applications, which load slowly: a worker that died
        # is back at once.
        command = sys.argv[1] if len(sys.argv) > 1 else ""
        if command not in {"up", "worker", "slot"}:
            os.umask(0o077)
        if command not in {"worker", "slot"}:
            from experiments import origin

            origin.note_command(command)
        if command == "slot":
            from experiments.workers.slot import main as run_slot

            run_slot(sys.argv[2:])
        elif command in {"up", "worker"} and not other_settings(sys.argv):
            # Django's own configure_logging loads forms and models.
            logging.config.dictConfig(settings.LOGGING)
            module = import_module(f"experiments.management.commands.{command}")
            module.Command().run_from_argv(sys.argv)
        else:
            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"sweepsite: {error}")
    except BrokenPipeError:
        # The reader of the output, such as head, has ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if not (text := explain(error)):
            raise
        sys.exit(f"sweepsite: {text}")


if __name__ == "__main__":
    main()
