"""Failed trials: what happened in words, and what to try."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from django.utils.html import format_html
from django.utils.safestring import SafeString

from experiments.runner.exits import describe_exit
from experiments.words import bytes_text, duration_text

if TYPE_CHECKING:
    from experiments.pages.trial_rows import TrialRows

KILLED = 9
MOST_NAMES = 10

Sentence = str | SafeString


def lead(rows: TrialRows, name: str) -> Sentence:
    """``Trial 14 failed after report 4: exit code 1.``"""
    reports = rows.trial.reports
    when = f" after report {reports}" if reports else ""
    return format_html("{} failed{}: {}.", name, when, _what(rows))


def _what(rows: TrialRows) -> Sentence:
    trial, attempt = rows.trial, rows.attempt
    if trial.reason in {"exit_code", "signal"} and attempt is not None:
        return describe_exit(attempt.exit_code, attempt.signal)
    if trial.reason == "no_metric":
        return format_html(
            "it ended without reporting <strong>{}</strong>, the primary metric",
            rows.objective.primary_metric,
        )
    if trial.reason == "lost":
        return "its worker was lost, and no attempt is left"
    message = trial.message.rstrip(".")
    return message[:1].lower() + message[1:] or trial.reason


def notes(rows: TrialRows) -> list[Sentence]:
    """The runner's own sentence, and how many others failed alike."""
    trial = rows.trial
    said = _what(rows) if trial.reason in {"exit_code", "signal", "lost"} else None
    found = []
    if said and trial.message and trial.message.rstrip(".") != said:
        found.append(_whole(trial.message))
    alike = rows.field.alike
    if alike:
        others = "One other trial" if alike == 1 else f"{alike:,} other trials"
        found.append(f"{others} of this sweep failed for the same reason.")
    return list(found)


def _whole(sentence: str) -> str:
    text = sentence[:1].upper() + sentence[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def advice(rows: TrialRows) -> Sequence[Sentence]:
    """What to try, the likeliest first; empty where nothing is known."""
    advise = ADVICE.get(rows.trial.reason)
    return advise(rows) if advise else ()


def _exit_code(rows: TrialRows) -> Sequence[Sentence]:
    code = rows.attempt.exit_code if rows.attempt else None
    run = "Run the command below by hand, in the folder of the code, to see it fail."
    if code == 2:
        first = (
            "Compare the command below with the arguments that the script takes:"
            " exit code 2 mostly means that one is unknown or missing."
        )
        return (first, run)
    if code in (126, 127):
        return (
            "The command goes through a shell; look at the name of the program in it.",
            run,
        )
    return ("The last lines of the log mostly name the line that failed.", run)


def _signal(rows: TrialRows) -> Sequence[Sentence]:
    attempt = rows.attempt
    peak = attempt.peak_memory if attempt else None
    if attempt is None or attempt.signal != KILLED:
        return ("Look for a crash of a native library in the last lines of the log.",)
    took = f" It had used {bytes_text(peak)} at most." if peak else ""
    return (
        f"Signal 9 without a wish of ours mostly means that memory ran out.{took}",
        "A smaller batch or model, fewer slots on the host, or a host with more memory"
        " helps.",
    )


def _no_metric(rows: TrialRows) -> Sequence[Sentence]:
    wanted = rows.objective.primary_metric
    names = [metric.name for metric in rows.metrics]
    if not names:
        return (
            f"It reported no metric at all. In the script, sweep.log(step=step,"
            f" {wanted}=value) or a printed line {wanted}=0.9 reports one.",
        )
    shown = ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
    reported = f"It reported {shown}. Names must be equal to the letter."
    close = near_misses(wanted, names)
    if not close:
        return (reported,)
    fix = format_html(
        "Did you mean <strong>{}</strong>? Log it as {}, or make it the"
        " sweep's primary_metric.",
        " or ".join(close),
        wanted,
    )
    return (fix, reported)


def near_misses(wanted: str, names: Sequence[str]) -> list[str]:
    """Names that may have been meant: equal but for case or signs, or similar."""
    plain = {name: _plain(name) for name in names}
    goal = _plain(wanted)
    inside = [n for n, p in plain.items() if p and (goal in p or p in goal)]
    similar = get_close_matches(goal, list(plain.values()), n=3, cutoff=0.6)
    found = [*inside, *(name for name in names if plain[name] in similar)]
    return list(dict.fromkeys(found))[:3]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _lost(rows: TrialRows) -> Sequence[Sentence]:
    count = sum(attempt.state == "lost" for attempt in rows.attempts)
    times = "once" if count == 1 else f"{count} times"
    return (
        f"A worker that ran it went away {times}. Look at the host's memory and at the"
        " worker's own log.",
        "retries.max_attempts in the sweep says how often a trial may be lost.",
    )


def _command_not_found(rows: TrialRows) -> Sequence[Sentence]:
    return (
        "The program must be on the PATH of the worker, or be a path inside the code."
        " 'python' is always there: it is the interpreter that runs the worker.",
    )


def _not_executable(rows: TrialRows) -> Sequence[Sentence]:
    return (
        "Start a script by its interpreter, such as python train.py or bash run.sh.",
    )


def _code_missing(rows: TrialRows) -> Sequence[Sentence]:
    return ("The archive of the code could not be unpacked; upload the code again.",)


def _trial_timeout(rows: TrialRows) -> Sequence[Sentence]:
    limit = rows.trial.sweep.trial_timeout if rows.trial.sweep else None
    words = f" (now {duration_text(limit)})" if limit else ""
    return (
        f"Fewer epochs, or a longer limits.trial_timeout{words}, let such a trial end.",
    )


ADVICE: Mapping[str, Callable[[TrialRows], Sequence[Sentence]]] = {
    "exit_code": _exit_code,
    "signal": _signal,
    "no_metric": _no_metric,
    "lost": _lost,
    "command_not_found": _command_not_found,
    "not_executable": _not_executable,
    "code_missing": _code_missing,
    "trial_timeout": _trial_timeout,
}
