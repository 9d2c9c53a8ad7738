"""Known errors: their likely cause and what helps. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

# Modules whose package has another name.
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
class KnownError:
    """``cause``: the likely cause, as half a sentence; ``advice``: what helps.

    ``always``: the error does not depend on the values that a trial tries, so every
    other trial fails with it as well. The texts have ``{found}`` for the last group of
    the pattern.
    """

    pattern: re.Pattern[str]
    kind: str
    cause: str
    advice: str
    always: bool = False

    def read(self, error: str) -> KnownError | None:
        match = self.pattern.search(error)
        if match is None:
            return None
        found = (match[match.lastindex or 0] or "").strip()[:100]
        found = PACKAGES.get(found.split(".")[0], found)
        cause, advice = (
            text.replace("{found}", found) for text in (self.cause, self.advice)
        )
        return replace(self, cause=cause, advice=advice)


def _known(
    pattern: str, kind: str, cause: str, advice: str, *, always: bool = False
) -> KnownError:
    return KnownError(re.compile(pattern, re.I), kind, cause, advice, always)


# The first match counts.
KNOWN_ERRORS: Sequence[KnownError] = (
    _known(
        r"(?:ModuleNotFoundError|ImportError).*?No module named ['\"]?([\w.]+)",
        "module",
        "the Python module {found} is not installed where the trials run",
        "If {found} is a file of yours, add it to the sweep's code. Else install it"
        " for the Python that runs the workers, list it in trial.requirements, or start"
        " the command with a Python that has it.",
        always=True,
    ),
    _known(
        r"ImportError.*?'([\w.]+)'",
        "import",
        "an import of {found} fails where the trials run",
        "Install the release of {found} that the script needs for the Python that runs"
        " the workers, or start the command with a Python that has it.",
        always=True,
    ),
    _known(
        r"\b(SyntaxError|IndentationError|TabError)\b",
        "syntax",
        "the script is not valid for the Python that runs it",
        "Fix the line that the log names, or start the command with the Python for"
        " which the script was written.",
        always=True,
    ),
    _known(
        r"needed more than .+ of memory",
        "memory",
        "its memory limit is too low",
        "Raise resources.memory in a copy of the sweep, or make each trial smaller (its"
        " batch size or model).",
    ),
    _known(
        r"out of ?memory|no memory left|MemoryError\b|\bOOM(Killed)?\b"
        r"|Cannot allocate memory|bad_alloc",
        "memory",
        "memory ran out",
        "Make each trial smaller (its batch size or model), or let fewer trials share"
        " the memory: lower max_concurrent_trials.",
    ),
    _known(
        r"No space left on device|Disk quota exceeded|\bENOSPC\b",
        "disk",
        "the disk is full where the trials run",
        "Make room on the disk of the host that the trial ran on, then resume.",
    ),
    _known(
        r"can't open file ['\"]?([^'\":]+)",
        "script",
        "the script is not in the sweep's code, or the command has another path",
        "Use the script's path inside the code. The sweep's Settings page lists the"
        " code's files.",
        always=True,
    ),
    _known(
        r"unrecognized arguments: --?([\w.-]+)",
        "argument",
        "the script does not know the argument --{found} that the command passes",
        "Rename the parameter or let the script take --{found}. A command without a"
        " placeholder passes every parameter as --name value.",
        always=True,
    ),
    _known(
        r"unrecognized arguments|required: |invalid \w+ value|usage: ",
        "argument",
        "the command passes an argument that the script does not take, or lacks one",
        "Compare the command with the arguments that the script takes; a name may be"
        " spelt differently.",
    ),
    _known(
        r"command not found|was not found on the worker|not on PATH"
        r"|does not exist in the code|exec: .*not found",
        "command",
        "the command does not exist where the trials run",
        "The program must be on the PATH of the worker, or be a path inside the code."
        " 'python' always works: it is the interpreter that runs the worker.",
        always=True,
    ),
    _known(
        r"is not a program|not executable|Exec format error",
        "command",
        "the host cannot run the command",
        "Start a script by its interpreter, such as python train.py or bash run.sh.",
        always=True,
    ),
    _known(
        r"CUDA driver|no CUDA-capable|NVML|CUDA error|device-side assert|Xid"
        r"|GPU has fallen off",
        "gpu",
        "the GPU or its driver has a problem",
        "Check the host's GPU with nvidia-smi. An admin can drain the host on the Pools"
        " page.",
    ),
    _known(
        r"outside the folders that a trial may (\w+)",
        "walls",
        "the trial may not {found} that file or folder, which its isolation closes",
        "Write to $SWEEPSITE_OUTPUTS or $TMPDIR. Else an administrator can open the"
        " folder: SWEEPSITE_TRIAL_WRITE (to write it) or SWEEPSITE_TRIAL_READ on the"
        " worker, or the folders of the pool. See docs/security.md.",
    ),
    _known(
        r"hidden from trials",
        "walls",
        "the trial may not read the site's own files or those of other trials",
        "Use files of the sweep's code, or a folder elsewhere.",
    ),
    _known(
        r"Permission ?denied|PermissionError",
        "permission",
        "the trial may not read or write a file",
        "To write, let the script use its outputs folder ($SWEEPSITE_OUTPUTS). To read,"
        " use a file of the sweep's code, or one that the trial's user may read.",
    ),
    _known(
        r"FileNotFoundError|No such file or directory",
        "file",
        "a file is missing where the trials run",
        "Add the missing file to the sweep's code, or use its full path: a trial starts"
        " in its own folder, which has only the code.",
    ),
    _known(
        r"Connection ?refused|ConnectionRefusedError|ConnectionError|Name or service"
        r" not known|Temporary failure in name resolution|Max retries exceeded",
        "network",
        "a server that the script needs does not answer",
        "Check that the worker's host can reach the server that the log names.",
    ),
    _known(
        r"JSONDecodeError|UnicodeDecodeError|UnicodeEncodeError|codec can't",
        "encoding",
        "a text does not have the format that the script expects",
        "Check the file or the value that the log names: it is not JSON, or not in the"
        " encoding that the script expects. PYTHONIOENCODING=utf-8 may help.",
    ),
)


def known_error(error: str) -> KnownError | None:
    """The known error that this text matches, with its cause and advice filled in."""
    found = (known.read(error[:2_000]) for known in KNOWN_ERRORS)
    return next((known for known in found if known is not None), None)
