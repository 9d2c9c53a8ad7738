"""Ask-and-tell: trials of a sweep that this process runs itself."""

from __future__ import annotations

import time
from typing import Any, Callable

from ._reports import Reports
from ._requests import RequestError, Requests
from ._trial import TrialPruned, as_float
from ._values import as_step

LATER = ("too_many_running", "over_quota", "busy")
NONE_LEFT = ("budget_spent", "exhausted", "not_running")
FIRST_PAUSE, MAX_PAUSE = 1.0, 15.0


class AskedTrial:
    """A trial that this process runs. Reports wait while the site is away."""

    def __init__(self, requests: Requests, asked: dict[str, Any]) -> None:
        self.id, self.number = int(asked["id"]), int(asked["number"])
        self.params: dict[str, Any] = asked["params"]
        self.url = str(asked["url"])
        self._metric, token = str(asked["primary_metric"]), str(asked["token"])
        self._requests = Requests(requests.url, token)
        self._reports = Reports(requests.url, str(self.id), token)
        self._step = -1
        self.has_ended = False

    def __repr__(self) -> str:
        return f"<AskedTrial {self.number}: {self.params}>"

    def report(self, value: Any, step: int | None = None) -> bool:
        """Report the metric that the sweep optimizes; True: stop this trial.

        `step` is by default one more than the last one, from 0.
        """
        self._step = self._step + 1 if step is None else as_step(step)
        return self._reports.log(self._step, {self._metric: as_float(value)})

    def log(self, *, step: int | None = None, **metrics: Any) -> bool:
        """Report any metrics, as sweepsite_client.log() does."""
        return self._reports.log(step, metrics)

    def should_prune(self) -> bool:
        """Whether the sweep asks it to stop; then raise TrialPruned, or finish it."""
        return bool(self._reports.stop.reason())

    def finish(self, state: str = "completed", message: str = "") -> str:
        """End it as completed or failed; returns the state that it got, which is
        terminated if the policy had asked it to stop. Safe to repeat."""
        if state not in ("completed", "failed"):
            raise ValueError(f"state is {state!r}; it must be completed or failed")
        self._reports.flush()
        body = {"state": state, "message": message[:2_000].replace("\0", "")}
        path = f"trials/{self.id}/finish"
        ended = self._requests.post(path, body, once="again")
        self.has_ended = True
        return str(ended["state"])


def ask(site: Requests, sweep: int, *, client: str, wait: bool) -> AskedTrial | None:
    """The next trial of a sweep; None: none is left, or none now without `wait`."""
    pause = FIRST_PAUSE
    while True:
        try:
            asked = site.post(
                f"sweeps/{sweep}/ask",
                {"client_id": client},
                once="again" if client else "",
            )
        except RequestError as problem:
            if problem.code in NONE_LEFT:
                return None
            if problem.code not in LATER:
                raise
            if not wait:
                return None
            time.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE)
        else:
            return AskedTrial(site, asked)


def optimize(
    ask_next: Callable[[], AskedTrial | None],
    objective: Callable[[AskedTrial], Any],
    *,
    n_trials: int | None,
    catch: tuple[type[BaseException], ...],
) -> None:
    """Run trials one after the other until the sweep has none left."""
    done = 0
    while n_trials is None or done < n_trials:
        trial = ask_next()
        if trial is None:
            return
        _run(trial, objective, catch)
        done += 1


def _run(
    trial: AskedTrial,
    objective: Callable[[AskedTrial], Any],
    catch: tuple[type[BaseException], ...],
) -> None:
    try:
        value = objective(trial)
        if value is not None:
            trial.report(value)
    except TrialPruned:
        pass
    except BaseException as error:
        if not trial.has_ended:
            trial.finish("failed", f"{type(error).__name__}: {error}")
        if not isinstance(error, catch):
            raise
        return
    if not trial.has_ended:
        trial.finish()
