"""Scripts that do everything wrong: each has its documented state and sentence."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.case import Case
from tests.chaos.installation import Installation
from tests.chaos.oracle import Oracle

SOON = 20.0


@dataclass(frozen=True)
class Nasty:
    """A value of the search space is added to the command, as its last words.

    ``says`` is part of the trial's sentence, ``logs`` of its log."""

    command: str
    state: str
    reason: str = ""
    says: str = ""
    logs: str = ""
    limits: dict[str, Any] = field(default_factory=dict)
    stop: bool = False


ONE_SECOND = {"trial_timeout": 1.0}
SCRIPTS = (
    Nasty("python train_ok.py 3 0", "completed", logs="trained"),
    Nasty("python train_raises_at_import.py", "failed", "exit_code", "exit code 1"),
    Nasty("no-such-command --x", "failed", "command_not_found", "no-such-command"),
    Nasty("./train_ok.py", "failed", "not_executable", "train_ok.py"),
    Nasty("python no_such_file.py", "failed", "exit_code", "exit code 2"),
    Nasty("python train_crash.py", "failed", "exit_code", "exit code 1", "fell over"),
    Nasty("python train_fails_after_metrics.py", "failed", "exit_code", "exit code 3"),
    Nasty("python train_kills_itself.py", "failed", "signal", "signal 9"),
    Nasty("python train_no_metric.py", "failed", "no_metric", '"accuracy"'),
    Nasty("python train_wrong_name.py", "failed", "no_metric", '"Accuracy"'),
    Nasty("python train_diverges.py", "completed"),
    Nasty("python train_many_names.py", "completed"),
    Nasty("python train_hang.py", "cancelled", "trial_timeout", "1 s", "", ONE_SECOND),
    Nasty("python train_hang.py", "cancelled", "user", stop=True),
    Nasty("python train_ignores_stop.py", "cancelled", "user", stop=True),
    Nasty("python train_handles_sigterm.py", "cancelled", "user", stop=True),
    Nasty("python train_saves_on_stop.py 0.5", "cancelled", "user", stop=True),
    Nasty("python train_daemon_grandchild.py", "failed", "no_metric"),
    Nasty(
        "python train_daemon_grandchild.py hang",
        *("cancelled", "trial_timeout", "1 s", "the daemon lives"),
        ONE_SECOND,
    ),
    Nasty("python train_daemon_grandchild.py wait", "cancelled", "user", stop=True),
    Nasty("python train_orphans.py 300 0", "failed", "no_metric"),
    Nasty("python train_closes_stdout.py 0.3", "failed", "no_metric"),
    Nasty("python train_bytes.py", "failed", "no_metric"),
    Nasty("python train_evil_text.py", "completed", logs="alert(1)"),
    Nasty("python train_floods_log.py 2", "failed", "no_metric", "", "the last words"),
    Nasty("python train_floods_log.py 1 one-line", "failed", "no_metric"),
    Nasty("python train_opens_files.py", "failed", "exit_code", "", "Too many open"),
    Nasty("python train_eats_memory.py", "failed", logs="MemoryError"),
    Nasty("python train_forks.py 60", "failed", "exit_code", "exit code 1"),
)
# Nothing is to be lost here, however slow the machine is.
PATIENT = {"SWEEPSITE_LEASE_SECONDS": "60"}
LIMITS = {
    "SWEEPSITE_LIMIT_MEMORY_BYTES": str(2 << 30),
    "SWEEPSITE_LIMIT_OPEN_FILES": "200",
}


def nasty_scripts(case: Case) -> list[str]:
    """Each alone, one after the other; ``size`` of them, by the seed."""
    chosen = list(SCRIPTS)
    if case.size < len(chosen):
        chosen = case.random.sample(chosen, case.size)
    slowest = 0.0
    found = []
    with case.installed(hosts=1, slots=2, extra=LIMITS, **PATIENT) as site:
        for nasty in chosen:
            began = time.monotonic()
            found += [f"{nasty.command}: {x}" for x in _run(site, nasty)]
            slowest = max(slowest, time.monotonic() - began)
    case.figures["scripts"] = len(chosen)
    case.figures["slowest"] = round(slowest, 1)
    return found


def _run(site: Installation, nasty: Nasty) -> list[str]:
    began = time.monotonic()
    sweep = site.submit(nasty.command, trials=1, limits=nasty.limits)
    if nasty.stop:
        site.wait(lambda: _started(site, sweep), "the script to begin")
        time.sleep(0.3)
        began = time.monotonic()
        site.insist("POST", f"/sweeps/{sweep}/cancel")
    site.wait_for_end(sweep)
    took = time.monotonic() - began
    oracle = Oracle(site, sweep)
    (trial,) = oracle.trials
    found = oracle.nothing_left_alive() + oracle.no_server_errors()
    if trial.state != nasty.state or trial.reason != (nasty.reason or trial.reason):
        found.append(f"is {trial.state} ({trial.reason}): {trial.message}")
    if nasty.says not in trial.message:
        found.append(f"says {trial.message!r}")
    if nasty.logs and nasty.logs not in str(site.api("GET", f"/trials/{trial.id}/log")):
        found.append("its log has not what it should")
    if took > SOON:
        found.append(f"took {took:.0f} s")
    return found


def _started(site: Installation, sweep: int) -> bool:
    ids = {attempt.id for attempt in Oracle(site, sweep).attempts}
    if not site.witness.exists():
        return False
    lines = [line.split() for line in site.witness.read_text().splitlines()]
    return any(word == "START" and int(a) in ids for word, a, *_ in lines)


def fast_fail(case: Case) -> list[str]:
    """A command that does not exist, with a large budget: a few attempts, not all."""
    with case.installed(hosts=2, slots=2) as site:
        sweep = site.submit("no-such-command --x", trials=case.size, at_once=4)
        site.wait(lambda: site.state(sweep) != "running", "the sweep to stop", 60)
        site.wait(lambda: not site.live_trials(sweep), "its trials to end", 30)
        oracle = Oracle(site, sweep)
        case.figures["attempts"] = tried = len(oracle.attempts)
        case.figures["then"] = site.state(sweep)
        message = site.api("GET", f"/sweeps/{sweep}")["message"]
        found = oracle.nothing_left_alive() + oracle.no_server_errors()
        if tried > 10:
            found.append(f"{tried} attempts were started")
        if "no-such-command" not in message:
            found.append(f"the sweep says {message!r}")
        return found
