"""Attempts that end before their training process begins."""

from __future__ import annotations

from experiments.runner.answers import Stop
from experiments.runner.hearing import CUT_OFF, cut_off_message
from experiments.runner.report import Outcome


class Unstarted(Exception):
    """There is no training process; `outcome` is what to report instead."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


def command_not_found(message: str) -> Unstarted:
    return Unstarted(_not_started("command_not_found", message))


def not_executable(message: str) -> Unstarted:
    return Unstarted(_not_started("not_executable", message))


def code_missing(message: str) -> Unstarted:
    return Unstarted(_not_started("code_missing", message))


def python_missing(message: str) -> Unstarted:
    return Unstarted(_not_started("python_missing", message))


def environment_failed(message: str) -> Unstarted:
    """The trial's packages could not be installed."""
    return Unstarted(_not_started("environment", message))


def worker_problem(message: str) -> Unstarted:
    """The worker is at fault (no disk, memory or process left), so nobody is blamed."""
    return Unstarted(Outcome(cause="worker_problem", message=message))


def released_early() -> Unstarted:
    return Unstarted(Outcome(cause="released", message="the worker is shutting down"))


def stopped_early(stop: Stop) -> Unstarted:
    return Unstarted(Outcome(cause="stopped", message=stop.message))


def cut_off_early(lease: float) -> Unstarted:
    """Another attempt may have begun while this one was prepared."""
    return Unstarted(Outcome(cause=CUT_OFF, message=cut_off_message(lease)))


def _not_started(code: str, message: str) -> Outcome:
    return Outcome(cause="not_started", code=code, message=message)
