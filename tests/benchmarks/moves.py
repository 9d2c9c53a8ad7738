"""How often a request moves between files: ``python -m tests.benchmarks.moves``.

The rule: each call of a Python function in experiments/ counts as one move if the
nearest function below it on the stack that is in experiments/ too belongs to another
file. What Django, ninja and the standard library do between the two does not count, nor
do returns. A generator that resumes is called. Files: how many have a function that is
called. Each request runs once before, so that the caches of the process are warm.

``--pairs`` adds which files call each other most often.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
ROOT = str(Path(__file__).resolve().parents[2] / "experiments") + os.sep
MIXED_SPACE: dict[str, Any] = {
    "learning_rate": {"type": "loguniform", "min_value": -9.0, "max_value": -2.0},
    "dropout": {"type": "uniform", "min_value": 0.0, "max_value": 0.5},
    "batch_size": {"type": "choice", "values": [16, 32, 64, 128]},
    "optimizer": {"type": "choice", "values": ["sgd", "adam", "rmsprop"]},
    "layers": {"type": "quniform", "min_value": 1, "max_value": 6, "q": 1},
}
PAIRS = 25
Request = Callable[[], object]


@dataclass
class Moves:
    """How often the first of two files calls the second, and all files that take part.

    Filled while it watches, as `sys.setprofile` wants it.
    """

    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)
    _stack: list[str] = field(default_factory=list)

    def watch(self, frame: FrameType, event: str, _: object) -> None:
        place = frame.f_code.co_filename
        if not place.startswith(ROOT) or event not in ("call", "return"):
            return
        if event == "return":
            self._stack.pop()
            return
        name = place.removeprefix(ROOT)
        if self._stack and self._stack[-1] != name:
            self.pairs[self._stack[-1], name] += 1
        self.files.add(name)
        self._stack.append(name)


def moves_of(request: Request) -> Moves:
    """The moves of the request's second run."""
    request()
    moves = Moves()
    sys.setprofile(moves.watch)
    try:
        request()
    finally:
        sys.setprofile(None)
    return moves


# --- the four requests --------------------------------------------------------------


def new_sweep() -> Request:
    """A POST of the new-sweep form that saves a sweep."""
    from django.test import Client

    from tests.pages import builder_forms

    client = builder_forms.member(Client())
    rows = (builder_forms.X, builder_forms.BATCH, builder_forms.RATE)
    texts = {"sampler": "bayesian", "policy": "median_stopping", "do": "save"}
    numbers = itertools.count()

    def request() -> None:
        fields = builder_forms.form(rows, **texts)
        fields["form_token"] = f"token-of-the-form-{next(numbers)}"
        _expect(302, builder_forms.send(client, fields))

    return request


def live_update() -> Request:
    """The poll of a sweep's page after a trial has reported."""
    from django.test import Client
    from django.urls import reverse

    from tests import factories

    sweep = _sweep(finished=26)
    trials = [_trial(sweep, state="running") for _ in range(4)]
    factories.team("Physics", ada="member")
    client = Client()
    client.force_login(factories.user("ada"))
    feed = reverse("sweep_feed", args=(sweep.pk,))
    seen = client.get(feed).json()["since"]

    def request() -> None:
        nonlocal seen
        seen = _expect(200, client.get(feed, {"since": seen})).json()["since"]

    factories.report(trials[0], [0.7], first_step=5)
    return request


def metric_report() -> Request:
    """One report of the primary metric, judged by median stopping."""
    from django.test import Client

    from experiments.models import Attempt
    from experiments.tokens import new_token

    trial = _trial(_sweep(finished=10), state="running")
    token, client, steps = new_token("trl"), Client(), itertools.count(5)
    Attempt.objects.filter(trial=trial).update(
        trial_token_digest=token.digest, runner_token_digest="a runner's"
    )

    def request() -> None:
        point = {"name": "accuracy", "step": next(steps), "value": 0.93}
        answer = client.post(
            f"/api/v1/trials/{trial.pk}/metrics",
            {"points": [point]},
            content_type="application/json",
            headers={"Authorization": f"Bearer {token.secret}"},
        )
        _expect(200, answer)

    return request


def suggestion() -> Request:
    """The Bayesian sampler's choice for a sweep with 20 finished trials."""
    from experiments.placing import suggest

    sweep = _sweep(finished=20)
    return lambda: suggest(sweep, 20)


def _sweep(*, finished: int) -> Any:
    from tests import factories

    document = factories.definition_document(
        search_space=MIXED_SPACE,
        sampling_algorithm={"type": "bayesian", "seed": 7},
        early_termination={"type": "median_stopping"},
        limits={"max_total_trials": 60, "max_concurrent_trials": 10},
        trial={"command": "python train.py ${{search_space.layers}}"},
    )
    sweep = factories.sweep(factories.team("Physics"), document=document)
    for _ in range(finished):
        _trial(sweep, state="completed")
    return sweep


def _trial(sweep: Any, *, state: str) -> Any:
    """The sweep's next trial, with five reports."""
    import numpy as np

    from experiments.search.definition import parse_document
    from tests import factories

    number = sweep.trials.count()
    space = parse_document(sweep.definition).search_space
    params = space.sample(np.random.default_rng(number))
    values = [0.5 + 0.01 * (number % 7) + 0.02 * n for n in range(5)]
    return factories.reported_trial(sweep, values, state=state, params=params)


def _expect(status: int, answer: Any) -> Any:
    if answer.status_code != status:
        raise RuntimeError(f"{answer.status_code}: {answer.content[:300]!r}")
    return answer


REQUESTS = (new_sweep, live_update, metric_report, suggestion)


def main() -> None:
    import django

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", action="store_true")
    pairs = parser.parse_args().pairs
    django.setup()
    logging.disable(logging.WARNING)
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    for made in REQUESTS:
        moves = moves_of(made())
        total = moves.pairs.total()
        print(f"{made.__name__:14} {total:6,} moves between {len(moves.files)} files")
        for (one, other), count in moves.pairs.most_common(PAIRS * pairs):
            print(f"    {count:5} {one} -> {other}")


if __name__ == "__main__":
    main()
