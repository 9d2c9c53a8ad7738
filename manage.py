#!/usr/bin/env python3
"""Django's command line, with one line instead of a traceback for bad settings."""

from __future__ import annotations

import os
import sys


def other_settings(words: list[str]) -> bool:
    """Whether they name settings of their own, which must be known before all else."""
    return any(word.startswith(("--settings", "--pythonpath")) for word in words)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sweepsite.settings")
    try:
        from django.conf import settings
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.utils.log import configure_logging
    except ImportError:
        sys.exit(
            "Django is not installed for this Python. Run the install command of the"
            " README first: python3 -m pip install -r requirements.txt"
        )
    try:
        # A host's processes need none of Django's applications, whose loading takes
        # longer than many a trial: a host that died shall be back at once.
        if sys.argv[1:2] == ["slot"]:
            from experiments.slot import main as run_slot

            run_slot(sys.argv[2:])
        elif sys.argv[1:2] == ["worker"] and not other_settings(sys.argv):
            from experiments.management.commands.worker import Command

            configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
            Command().run_from_argv(sys.argv)
        else:
            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"sweepsite: {error}")
    except BrokenPipeError:
        # Whoever read the output, such as head, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
