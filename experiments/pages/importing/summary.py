"""What the import page says about a reading."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from experiments.pages.importing.preview import ImportPreview
from experiments.search.document.command import split_command
from experiments.search.fields import listed
from experiments.search.formats import FORMATS, FinishedTrial
from experiments.search.wording import counted

MAX_BEST = 5
SCRIPTS = (".py", ".sh", ".jl", ".r", ".R", ".js", ".lua", ".pl", ".m")


def lead(preview: ImportPreview) -> str:
    """The answer in a sentence or two."""
    imported = preview.imported
    if imported is None and preview.parts and not preview.part:
        return f"This holds {counted(len(preview.parts), 'sweep')}: choose one."
    if imported is None:
        return "This could not be read as a sweep."
    name = f"This is {FORMATS[imported.format]}"
    if preview.definition is None:
        problems = counted(len(preview.problems), "problem")
        what = "it" if preview.faulty else "what it becomes"
        return f"{name}, but {what} has {problems}."
    return " ".join(filter(None, (f"{name}.", _carried(preview), _filled(preview))))


def _carried(preview: ImportPreview) -> str:
    total = preview.imported.settings if preview.imported else 0
    lost = len({note.path for note in preview.notes if note.line is not None})
    if not total:
        translate = [note for note in preview.notes if note.path]
        things = counted(len(translate), "thing")
        verb = "does" if len(translate) == 1 else "do"
        return f"{things} in it {verb} not carry over as it is." if translate else ""
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


def _filled(preview: ImportPreview) -> str:
    """About what the content leaves open and a sweep here needs."""
    filled = sum(not note.path for note in preview.notes)
    if not filled:
        return ""
    verb = "is" if filled == 1 else "are"
    return f"{counted(filled, 'thing')} that it does not say {verb} filled in."


def missing_script(preview: ImportPreview) -> str:
    """The file that the command names and the document does not hold."""
    if preview.definition is None or preview.definition.trial.code is not None:
        return ""
    words = split_command(preview.definition.trial.command)
    for word in words:
        if PurePosixPath(word).suffix in SCRIPTS and "{" not in word:
            return word
    return words[0] if words else ""


def trials_words(preview: ImportPreview) -> str:
    """`60, 4 at a time`."""
    if preview.definition is None:
        return "not known yet"
    limits = preview.definition.limits
    return f"{limits.max_total_trials:,}, {limits.max_concurrent_trials:,} at a time"


def finished_words(preview: ImportPreview) -> Sequence[str]:
    """What becomes of the trials that have ended elsewhere, in sentences."""
    given = preview.imported.trials if preview.imported else ()
    if not given or preview.definition is None:
        return ()
    usable, limits = preview.trials, preview.definition.limits
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


def best_trials(preview: ImportPreview) -> list[FinishedTrial]:
    """The best of the trials that come along, the best first."""
    if preview.definition is None:
        return []
    loss = preview.definition.objective.loss
    ranked = [
        (loss(trial.value), place, trial)
        for place, trial in enumerate(preview.trials)
        if trial.value is not None and trial.state != "failed"
    ]
    return [trial for _, _, trial in sorted(ranked)[:MAX_BEST]]


def space_words(preview: ImportPreview) -> str:
    """`4 parameters, 2 of them continuous; 600 draws each, …`."""
    if preview.definition is None:
        return ""
    laws = preview.definition.search_space.parameters.values()
    words = counted(len(laws), "parameter")
    continuous = sum(law.count() is None for law in laws)
    some = f", {continuous} of them continuous" if continuous else ""
    return f"{words}{some}; drawn by the code that the sweep uses"
