"""What the import page says about a reading."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from experiments.pages.importing.reading import Reading
from experiments.search.document.command import split_command
from experiments.search.fields import listed
from experiments.search.formats import FORMATS, FinishedTrial
from experiments.search.wording import counted

MAX_BEST = 5
SCRIPTS = (".py", ".sh", ".jl", ".r", ".R", ".js", ".lua", ".pl", ".m")


def lead(reading: Reading) -> str:
    """The answer in a sentence or two."""
    imported = reading.imported
    if imported is None and reading.parts and not reading.part:
        return f"This holds {counted(len(reading.parts), 'sweep')}: choose one."
    if imported is None:
        return "This could not be read as a sweep."
    name = f"This is {FORMATS[imported.format]}"
    if reading.definition is None:
        problems = counted(len(reading.problems), "problem")
        what = "it" if reading.faulty else "what it becomes"
        return f"{name}, but {what} has {problems}."
    return " ".join(filter(None, (f"{name}.", _carried(reading), _filled(reading))))


def _carried(reading: Reading) -> str:
    total = reading.imported.settings if reading.imported else 0
    lost = len({note.path for note in reading.notes if note.line is not None})
    if not total:
        told = [note for note in reading.notes if note.path]
        things = counted(len(told), "thing")
        verb = "does" if len(told) == 1 else "do"
        return f"{things} in it {verb} not carry over as it is." if told else ""
    settings = counted(total, "setting")
    if not lost and total == 1:
        return "Its one setting carries over as it is."
    if not lost:
        return f"All of its {settings} carry over as they are."
    do = "does" if lost == 1 else "do"
    return (
        f"{max(0, total - lost):,} of its {settings} carry over as they are; {lost:,}"
        f" {do} not."
    )


def _filled(reading: Reading) -> str:
    """About what the content leaves open and a sweep here needs."""
    filled = sum(not note.path for note in reading.notes)
    if not filled:
        return ""
    verb = "is" if filled == 1 else "are"
    return f"{counted(filled, 'thing')} that it does not say {verb} filled in."


def missing_script(reading: Reading) -> str:
    """The file that the command names and the document does not hold."""
    if reading.definition is None or reading.definition.trial.code is not None:
        return ""
    words = split_command(reading.definition.trial.command)
    for word in words:
        if PurePosixPath(word).suffix in SCRIPTS and "{" not in word:
            return word
    return words[0] if words else ""


def trials_words(reading: Reading) -> str:
    """`60, 4 at a time`."""
    if reading.definition is None:
        return "not known yet"
    limits = reading.definition.limits
    return f"{limits.max_total_trials:,}, {limits.max_concurrent_trials:,} at a time"


def finished_words(reading: Reading) -> Sequence[str]:
    """What becomes of the trials that have ended elsewhere, in sentences."""
    given = reading.imported.trials if reading.imported else ()
    if not given or reading.definition is None:
        return ()
    usable, limits = reading.trials, reading.definition.limits
    states = [trial.state for trial in usable]
    words = {"completed": "completed", "terminated": "ended early", "failed": "failed"}
    counts = [
        f"{states.count(state):,} {word}"
        for state, word in words.items()
        if state in states
    ]
    sentences = [f"{counted(len(given), 'finished trial')} stand in it."]
    if len(usable) < len(given):
        gone = len(given) - len(usable)
        verb = "lies" if gone == 1 else "lie"
        sentences.append(f"{gone:,} of them {verb} outside the space and stay there.")
    if usable:
        total = limits.max_total_trials + len(usable)
        sentences += [
            f"{listed(counts)} come along as the first trials of the sweep; samplers"
            " that learn begin with what they found.",
            f"The sweep's own {limits.max_total_trials:,} come after them, so its"
            f" limit becomes {total:,} trials.",
        ]
    return sentences


def best_trials(reading: Reading) -> list[FinishedTrial]:
    """The best of the trials that come along, the best first."""
    if reading.definition is None:
        return []
    loss = reading.definition.objective.loss
    ranked = [
        (loss(trial.value), place, trial)
        for place, trial in enumerate(reading.trials)
        if trial.value is not None and trial.state != "failed"
    ]
    return [trial for _, _, trial in sorted(ranked)[:MAX_BEST]]


def space_words(reading: Reading) -> str:
    """`4 parameters, 2 of them continuous; 600 draws each, …`."""
    if reading.definition is None:
        return ""
    laws = reading.definition.search_space.parameters.values()
    words = counted(len(laws), "parameter")
    continuous = sum(law.count() is None for law in laws)
    some = f", {continuous} of them continuous" if continuous else ""
    return f"{words}{some}; drawn by the code that the sweep uses"
