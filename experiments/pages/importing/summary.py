"""Sentences of the import page about a preview."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from experiments.pages.builder.page import parameters_words
from experiments.pages.importing.preview import ImportPreview
from experiments.search.document.command import split_command
from experiments.search.fields import listed
from experiments.search.formats import FORMATS, FinishedTrial
from experiments.search.wording import counted

MAX_BEST = 5
SETTINGS = ("setting is", "settings are")
SCRIPTS = (".py", ".sh", ".jl", ".r", ".R", ".js", ".lua", ".pl", ".m")


def lead(preview: ImportPreview) -> str:
    """The result in one or two sentences."""
    imported = preview.imported
    if imported is None and preview.parts and not preview.part:
        return f"This has {counted(len(preview.parts), 'sweep')}. Choose one."
    if imported is None:
        return "This could not be read as a sweep."
    name = f"This is {FORMATS[imported.format]}"
    if preview.definition is None:
        problems = counted(len(preview.problems), "problem")
        what = "it" if preview.incomplete else "the result"
        return f"{name}, but {what} has {problems}."
    return " ".join(filter(None, (f"{name}.", _carried(preview), _filled(preview))))


def _carried(preview: ImportPreview) -> str:
    total = preview.imported.settings if preview.imported else 0
    lost = len({note.path for note in preview.notes if note.line is not None})
    if not total:
        differing = sum(bool(note.path) for note in preview.notes)
        settings = counted(differing, *SETTINGS)
        return f"{settings} changed or left out." if differing else ""
    of = f"{max(0, total - lost):,} of " if lost else ""
    return f"{of}{counted(total, *SETTINGS)} imported unchanged."


def _filled(preview: ImportPreview) -> str:
    """About settings that a sweep here needs and the content does not have."""
    filled = sum(not note.path for note in preview.notes)
    return f"{counted(filled, *SETTINGS)} filled in." if filled else ""


def missing_script(preview: ImportPreview) -> str:
    """The file that the command runs, if the document does not have the code."""
    if preview.definition is None or preview.definition.trial.code is not None:
        return ""
    words = split_command(preview.definition.trial.command)
    for word in words:
        if PurePosixPath(word).suffix in SCRIPTS and "{" not in word:
            return word
    return words[0] if words else ""


def trials_words(preview: ImportPreview) -> str:
    """Such as `60, 4 at a time`."""
    if preview.definition is None:
        return "not known yet"
    limits = preview.definition.limits
    return f"{limits.max_total_trials:,}, {limits.max_concurrent_trials:,} at a time"


def finished_words(preview: ImportPreview) -> Sequence[str]:
    """Sentences about the import of finished trials."""
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
    were = ("finished trial was found.", "finished trials were found.")
    sentences = [counted(len(given), *were)]
    if gone := len(given) - len(usable):
        are = counted(gone, "of them is", "of them are")
        sentences.append(f"{are} outside the space and left out.")
    if usable:
        total = limits.max_total_trials + len(usable)
        sentences += [
            f"{listed(counts)} become the first trials of the sweep, and samplers learn"
            " from them.",
            f"The sweep's {limits.max_total_trials:,} new trials follow, so its limit"
            f" becomes {total:,} trials.",
        ]
    return sentences


def best_trials(preview: ImportPreview) -> list[FinishedTrial]:
    """The best imported trials, best first."""
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
    """Such as `4 parameters, 2 of them continuous; drawn …`."""
    if preview.definition is None:
        return ""
    laws = preview.definition.search_space.parameters.values()
    words = parameters_words(len(laws), sum(law.count() is None for law in laws))
    return f"{words}; drawn as the sweep would draw them"
