"""Why a training process ended as it did, and what is worth trying. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from experiments.models import Attempt, Trial
from experiments.runner.exits import describe_exit

REASONS: Mapping[str, str] = {
    "no_metric": "it ended well but never reported the primary metric",
    "command_not_found": "its command was not found on the worker",
    "not_executable": "its command may not be executed on the worker",
    "code_missing": "its code could not be unpacked on the worker",
    "not_started": "it could not be started",
    "lost": "its worker was lost",
    "trial_timeout": "its time was over",
}
# What a line of the log says about the cause, and what helps then.
SIGNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(ModuleNotFoundError|ImportError).*?'([\w.]+)'"),
        "Install {found} for the Python that runs the workers, or start the command"
        " with the Python that has it.",
    ),
    (
        re.compile(r"out of memory|MemoryError|OOM|Cannot allocate memory", re.I),
        "Make each trial smaller (its batch size or model), or let fewer trials share"
        " the memory: lower max_concurrent_trials.",
    ),
    (
        re.compile(r"FileNotFoundError|No such file or directory", re.I),
        "Add the missing file to the code of the sweep, or name it by its whole path:"
        " a trial starts in a folder of its own that holds only the code.",
    ),
    (
        re.compile(r"unrecognized arguments|required: |invalid \w+ value|usage: "),
        "Compare the command with the arguments that the script takes; a name may be"
        " spelt differently.",
    ),
    (
        re.compile(r"Permission ?denied|PermissionError", re.I),
        "Let the script write into its outputs folder ($SWEEPSITE_OUTPUTS) instead.",
    ),
)
BY_REASON: Mapping[str, str] = {
    "no_metric": "Report {metric} from the script, spelt exactly so: one line"
    ' "{metric}=0.9" on standard output will do.',
    "command_not_found": "Install the command on the workers of pool {pool}, or start"
    " the script by a program that is there, such as python.",
    "not_executable": "Start the script by its interpreter, such as python train.py.",
    "lost": "Look at the workers of pool {pool}: their hosts went away or were full.",
    "trial_timeout": "Raise trial_timeout, or make each trial shorter.",
}
USUAL = (
    "Read the whole log, repair the script, and clone the sweep with the new code;"
    " trying one trial first (max_total_trials: 1) costs little."
)


def end_in_words(trial: Trial, attempt: Attempt | None) -> str:
    """``exit code 1 (an error in the script itself)``, ``killed by signal 9 (…)``."""
    if attempt is None or (attempt.signal is None and not attempt.exit_code):
        return REASONS.get(trial.reason, "it failed")
    words = describe_exit(attempt.exit_code, attempt.signal)
    plain = words == f"exit code {attempt.exit_code}"
    return f"{words} (an error in the script itself)" if plain else words


def advice(trial: Trial, error: str, *, metric: str, pool: str) -> str:
    """The one thing most worth trying, by what the log and the reason say."""
    for pattern, text in SIGNS:
        found = pattern.search(error)
        if found:
            return text.replace("{found}", found[found.lastindex or 0])
    text = BY_REASON.get(trial.reason, USUAL)
    return text.replace("{metric}", metric).replace("{pool}", pool)
