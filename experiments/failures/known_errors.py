"""Known errors: what is likely behind them, in words, and what helps. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Names of modules that are installed under another name.
PACKAGES = {
    "cv2": "opencv-python",
    "PIL": "Pillow",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "yaml": "PyYAML",
    "bs4": "beautifulsoup4",
    "dotenv": "python-dotenv",
}


@dataclass(frozen=True)
class Cause:
    """``likely``: what is behind an error, as half a sentence; ``advice``: what helps.

    ``always``: it does not depend on the values that a trial tries, so that every
    other trial will fail of it as well.
    """

    kind: str
    likely: str
    advice: str
    always: bool = False


@dataclass(frozen=True)
class Sign:
    """A pattern of errors. ``{found}`` in the texts is its last group."""

    pattern: re.Pattern[str]
    cause: Cause

    def read(self, error: str) -> Cause | None:
        match = self.pattern.search(error)
        if match is None:
            return None
        found = (match[match.lastindex or 0] or "").strip()[:100]
        found = PACKAGES.get(found.split(".")[0], found)
        cause = self.cause
        return Cause(
            cause.kind,
            cause.likely.replace("{found}", found),
            cause.advice.replace("{found}", found),
            cause.always,
        )


def _sign(pattern: str, kind: str, likely: str, advice: str, always: bool) -> Sign:
    return Sign(re.compile(pattern, re.I), Cause(kind, likely, advice, always))


# The first that fits counts.
SIGNS: Sequence[Sign] = (
    _sign(
        r"(?:ModuleNotFoundError|ImportError).*?No module named ['\"]?([\w.]+)",
        "module",
        "the Python module {found} is not installed where the trials run",
        "Is {found} a file of your own? Then add it to the sweep's code. Else install"
        " it for the Python that runs the workers, list it in trial.requirements, or"
        " start the command with the Python that has it.",
        True,
    ),
    _sign(
        r"ImportError.*?'([\w.]+)'",
        "import",
        "an import of {found} fails where the trials run",
        "Install the release of {found} that the script needs for the Python that runs"
        " the workers, or start the command with the Python that has it.",
        True,
    ),
    _sign(
        r"\b(SyntaxError|IndentationError|TabError)\b",
        "syntax",
        "the script is not valid for the Python that runs it",
        "Repair the line that the log names, or start the command with the Python for"
        " which the script was written.",
        True,
    ),
    _sign(
        r"needed more than .+ of memory",
        "memory",
        "its limit of memory is too low for it",
        "Raise resources.memory in a copy of the sweep, or make each trial smaller (its"
        " batch size or model).",
        False,
    ),
    _sign(
        r"out of ?memory|no memory left|MemoryError\b|\bOOM(Killed)?\b"
        r"|Cannot allocate memory|bad_alloc",
        "memory",
        "memory ran out",
        "Make each trial smaller (its batch size or model), or let fewer trials share"
        " the memory: lower max_concurrent_trials.",
        False,
    ),
    _sign(
        r"No space left on device|Disk quota exceeded|\bENOSPC\b",
        "disk",
        "the disk is full where the trials run",
        "Make room on the disk of the host that the trial ran on, then resume.",
        False,
    ),
    _sign(
        r"can't open file ['\"]?([^'\":]+)",
        "script",
        "the script is not in the code of the sweep, or the command names another path",
        "Name the script by its path inside the code; the code's files are on the"
        " sweep's Settings page.",
        True,
    ),
    _sign(
        r"unrecognized arguments: --?([\w.-]+)",
        "argument",
        "the script does not know the argument --{found} that the command passes",
        "Rename the parameter or let the script take --{found}. A command without a"
        " placeholder passes every parameter as --name value.",
        True,
    ),
    _sign(
        r"unrecognized arguments|required: |invalid \w+ value|usage: ",
        "argument",
        "the command passes arguments that the script does not take, or lacks one",
        "Compare the command with the arguments that the script takes; a name may be"
        " spelt differently.",
        False,
    ),
    _sign(
        r"command not found|was not found on the worker|not on PATH"
        r"|does not exist in the code|exec: .*not found",
        "command",
        "the command is not there where the trials run",
        "The program must be on the PATH of the worker, or be a path inside the code."
        " 'python' is always there: it is the interpreter that runs the worker.",
        True,
    ),
    _sign(
        r"is not a program|not executable|Exec format error",
        "command",
        "the command is no program that the host can run",
        "Start a script by its interpreter, such as python train.py or bash run.sh.",
        True,
    ),
    _sign(
        r"CUDA driver|no CUDA-capable|NVML|CUDA error|device-side assert|Xid"
        r"|GPU has fallen off",
        "gpu",
        "the GPU or its driver is in trouble",
        "Look at the host's GPU with nvidia-smi; a host in trouble can be drained on"
        " the Pools page.",
        False,
    ),
    _sign(
        r"Permission ?denied|PermissionError",
        "permission",
        "the trial may not read or write a file",
        "Let the script write into its outputs folder ($SWEEPSITE_OUTPUTS) instead.",
        False,
    ),
    _sign(
        r"FileNotFoundError|No such file or directory",
        "file",
        "a file is missing where the trials run",
        "Add the missing file to the code of the sweep, or name it by its whole path:"
        " a trial starts in a folder of its own that holds only the code.",
        False,
    ),
    _sign(
        r"Connection ?refused|ConnectionRefusedError|ConnectionError|Name or service"
        r" not known|Temporary failure in name resolution|Max retries exceeded",
        "network",
        "a server that the script asks does not answer",
        "See whether the host of the worker reaches the server that the log names.",
        False,
    ),
    _sign(
        r"JSONDecodeError|UnicodeDecodeError|UnicodeEncodeError|codec can't",
        "encoding",
        "a text is not in the form that the script expects",
        "Look at the file or the value that the log names: it is not JSON, or is not"
        " encoded as the script reads it. PYTHONIOENCODING=utf-8 may help.",
        False,
    ),
)


def likely_cause(error: str) -> Cause | None:
    """What is likely behind an error; None: nothing that is known here."""
    read = (sign.read(error[:2_000]) for sign in SIGNS)
    return next((cause for cause in read if cause is not None), None)
