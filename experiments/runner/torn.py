"""Files that a training process was writing when it was killed."""

from __future__ import annotations

from collections.abc import Set

from experiments.runner.outputs import OutputFile
from experiments.runner.report import Outcome
from experiments.runner.writers import FileId

# Where nobody here has killed it, what was written so shortly before the end, in
# seconds, may have been in the middle of it.
RECENT = 2.0
NANO = 1e9


def is_torn(
    file: OutputFile, outcome: Outcome, *, growing: Set[FileId], comes_whole: bool
) -> bool:
    """Whether a part of the file may be missing or stale.

    `growing` files are only written at their end: what is there is right. So it is of
    one that `comes_whole`, which gets its name when all of it is written.
    """
    if not outcome.was_killed or file.stamp.file in growing:
        return False
    if outcome.writing is not None:
        return file.stamp.file in outcome.writing
    return not comes_whole and outcome.ended_at - file.stamp.modified / NANO < RECENT
