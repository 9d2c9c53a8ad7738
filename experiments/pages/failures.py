"""Why a trial failed, in words, and what to try."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from experiments.failures.known_errors import known_error
from experiments.formatting import bytes_text, duration_text
from experiments.models import Attempt, Metric, Sweep, Trial
from experiments.pages.log_text import LogLine
from experiments.runner.stopping import describe_exit
from experiments.search.wording import similar_names

KILLED = 9
NOT_STOPPED = frozenset({"exit_code", "signal", "out_of_memory"})
Sentence = str | SafeString


@dataclass(frozen=True)
class Failure:
    """A failed trial; ``log``: its last lines."""

    trial: Trial
    log: Sequence[LogLine] = ()

    @property
    def attempt(self) -> Attempt | None:
        return self.trial.current_attempt

    @property
    def ran_elsewhere(self) -> bool:
        """Whether one of the team's own processes ran it, not a worker of this site."""
        attempt = self.attempt
        return (
            attempt is not None
            and attempt.claimed_at is not None
            and attempt.worker_id is None
            and not attempt.runner_token_digest
        )

    @property
    def error(self) -> str:
        """The log line that names the error: the last one that is neither ours nor
        indented, where the process ended without being stopped."""
        if self.trial.reason not in NOT_STOPPED:
            return ""
        for line in reversed(self.log):
            if not line.ours and not line.text[:1].isspace():
                return line.text
        return ""

    @property
    def metric(self) -> str:
        sweep = self.trial.sweep
        return sweep.primary_metric if sweep else "its metric"

    def reported(self) -> list[str]:
        """The names of the metrics that it has reported."""
        found = Metric.objects.of_training().filter(attempt=self.attempt)
        return list(found.order_by("name").values_list("name", flat=True))


# --- what happened ------------------------------------------------------------------


def cause(failure: Failure) -> Sentence:
    """The end in a few words: ``exit code 1``, ``its worker was lost, …``."""
    trial, attempt = failure.trial, failure.attempt
    if trial.reason == "out_of_memory":
        return trial.message.rstrip(".") or "it ran out of memory"
    if trial.reason in NOT_STOPPED and attempt is not None:
        return describe_exit(attempt.exit_code, attempt.signal)
    if trial.reason == "no_metric":
        return format_html(
            "it ended without reporting <strong>{}</strong>, the primary metric",
            failure.metric,
        )
    if trial.reason == "lost" and failure.ran_elsewhere:
        return "the process that ran it sent no heartbeat, and no attempt is left"
    if trial.reason == "lost":
        return "its worker was lost, and no attempt is left"
    message = trial.message.rstrip(".")
    return message[:1].lower() + message[1:] or trial.reason or "it failed"


def out_of_time(sweep: Sweep | None) -> str:
    """``their time of 5 s``, without ``their``: the limit of a trial in words."""
    limit = sweep.trial_timeout if sweep else None
    return f"time of {duration_text(limit)}" if limit else "time"


def lead(failure: Failure, name: str) -> Sentence:
    """``Trial 14 failed after report 4: exit code 1.``"""
    reports = failure.trial.reports
    when = f" after report {reports}" if reports else ""
    return format_html("{} failed{}: {}.", name, when, cause(failure))


def notes(failure: Failure, *, alike: int) -> list[Sentence]:
    """The runner's message, and how many others failed for the same reason."""
    trial = failure.trial
    found: list[Sentence] = []
    has_message = trial.reason in (*NOT_STOPPED, "no_metric", "lost")
    if has_message and trial.message and trial.message.rstrip(".") != cause(failure):
        # The lead has said already that it never reported the primary metric.
        said = f'It never reported "{failure.metric}". '
        found.append(_sentence(trial.message.removeprefix(said)))
    if alike:
        others = "One other trial" if alike == 1 else f"{alike:,} other trials"
        found.append(f"{others} of this sweep failed for the same reason.")
    return found


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


# --- what to try --------------------------------------------------------------------


def advice(failure: Failure) -> Sequence[Sentence]:
    """What to try, the likeliest first. A known error in the log replaces the first
    guess."""
    known = by_log(failure.error) or by_log(failure.trial.message)
    reason = failure.trial.reason
    elsewhere = ADVICE_ELSEWHERE.get(reason) if failure.ran_elsewhere else None
    by_reason = elsewhere or ADVICE.get(reason)
    guesses = by_reason(failure) if by_reason else ()
    return [*known, *guesses[1:]] if known else guesses


def by_log(error: str) -> list[Sentence]:
    """What helps against a known error."""
    cause = known_error(error)
    return [cause.advice] if cause else []


def _exit_code(failure: Failure) -> Sequence[Sentence]:
    code = failure.attempt.exit_code if failure.attempt else None
    run = (
        "Run the command of the trial by hand, in the folder of the code, to see it"
        " fail."
    )
    if code == 2:
        first = (
            "Compare the command with the arguments that the script takes: exit code 2"
            " usually means that one is unknown or missing."
        )
        return (first, run)
    if code in (126, 127):
        return (
            "The command runs in a shell; check the name of the program in it.",
            run,
        )
    return ("The last lines of the log usually name the line that failed.", run)


def _signal(failure: Failure) -> Sequence[Sentence]:
    attempt = failure.attempt
    peak = attempt.peak_memory if attempt else None
    if attempt is None or attempt.signal != KILLED:
        return ("Look for a crash of a native library in the last lines of the log.",)
    took = f" It had used {bytes_text(peak)} at most." if peak else ""
    return (
        f"Signal 9 that the site did not send usually means out of memory.{took}",
        "A smaller batch or model, fewer slots on the host, or a host with more memory"
        " helps.",
    )


def _no_metric(failure: Failure) -> Sequence[Sentence]:
    """The message names what it reported and printed."""
    wanted, names = failure.metric, failure.reported()
    plain = wanted.isidentifier()
    named = f"{wanted}=value" if plain else f'**{{"{wanted}": value}}'
    report = (
        f"Print lines such as {wanted}=0.9, log it with MLflow, or call"
        f" sweepsite_client.log(step=step, {named}).",
        "If its lines look different, set metrics_collector in the sweep.",
    )
    close = similar_names(wanted, names)
    if not close:
        return report
    fix = format_html(
        "Did you mean <strong>{}</strong>? Log it as {}, or make it the"
        " sweep's primary_metric. Names must match exactly, including case.",
        " or ".join(close),
        wanted,
    )
    return (fix, *report)


def _lost(failure: Failure) -> Sequence[Sentence]:
    count = failure.trial.attempts.filter(state="lost").count()
    times = "once" if count == 1 else f"{count} times"
    return (
        f"Its worker was lost {times}. Look at the host's memory and at the worker's "
        " own log.",
        "retries.max_attempts in the sweep limits how often a trial is tried.",
    )


def _trial_timeout(failure: Failure) -> Sequence[Sentence]:
    sweep = failure.trial.sweep
    limit = sweep.trial_timeout if sweep else None
    words = f" (now {duration_text(limit)})" if limit else ""
    return (f"Use fewer epochs, or a longer limits.trial_timeout{words}.",)


def _always(*sentences: Sentence) -> Callable[[Failure], Sequence[Sentence]]:
    return lambda failure: sentences


ADVICE: Mapping[str, Callable[[Failure], Sequence[Sentence]]] = {
    "exit_code": _exit_code,
    "signal": _signal,
    "no_metric": _no_metric,
    "lost": _lost,
    "command_not_found": _always(
        "The program must be on the PATH of the worker, or be a path inside the code."
        " 'python' is always there: it is the interpreter that runs the worker."
    ),
    "not_executable": _always(
        "Start a script by its interpreter, such as python train.py or bash run.sh."
    ),
    "code_missing": _always(
        "The worker could not get the code. The message names the repository, folder or"
        " archive."
    ),
    "environment": _always(
        "The packages of trial.requirements could not be installed; the trial's"
        " log has pip's output. A corrected list is tried immediately; the same list is"
        " tried again after a minute."
    ),
    "python_missing": _always(
        "Install that Python on the pool's workers, or name another one as"
        " trial.python or as the pool's Python."
    ),
    "trial_timeout": _trial_timeout,
}


# --- what to try where no worker ran it ---------------------------------------------


def _output_elsewhere(failure: Failure) -> str:
    attempt = failure.attempt
    client = f" ({attempt.client})" if attempt and attempt.client else ""
    return (
        "This site did not start the process, so it has no output from it. Look"
        f" where it was started{client}: its last lines usually name what failed."
    )


def _signal_elsewhere(failure: Failure) -> Sequence[Sentence]:
    attempt = failure.attempt
    if attempt is None or attempt.signal != KILLED:
        return (_output_elsewhere(failure),)
    return (
        "Signal 9 usually means that memory ran out on its machine.",
        _output_elsewhere(failure),
    )


def _lost_elsewhere(failure: Failure) -> Sequence[Sentence]:
    return (
        "Check whether the process still runs where it was started, and whether it"
        " reaches this site.",
        "A process must report more often than limits.trial_timeout allows, or send"
        " heartbeats. retries.max_attempts limits how often a trial is tried.",
    )


ADVICE_ELSEWHERE: Mapping[str, Callable[[Failure], Sequence[Sentence]]] = {
    "exit_code": lambda failure: (_output_elsewhere(failure),),
    "signal": _signal_elsewhere,
    "lost": _lost_elsewhere,
}
