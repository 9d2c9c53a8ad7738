"""How often a request moves between files: ``python -m tests.benchmarks.moves``.

The rule: a call of a Python function in experiments/ is one move if the nearest
function below it on the stack that is in experiments/ too belongs to another file.
What Django and others do between the two does not count, nor do returns; a generator
that resumes is called. Each request runs once before, so that caches are warm.
``--pairs`` adds which files call each other most often.
"""

# ruff: noqa: E402

from __future__ import annotations

import itertools
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import django
import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from experiments.models import Attempt
from experiments.scheduling.dispatch import suggest
from experiments.search.document.definition import parse_document
from experiments.tokens import new_token
from tests import factories
from tests.pages.builder import builder_forms

ROOT = str(Path(__file__).resolve().parents[2] / "experiments") + os.sep
SPACE = {
    "learning_rate": {"type": "loguniform", "min_value": -9.0, "max_value": -2.0},
    "dropout": {"type": "uniform", "min_value": 0.0, "max_value": 0.5},
    "batch_size": {"type": "choice", "values": [16, 32, 64, 128]},
    "optimizer": {"type": "choice", "values": ["sgd", "adam", "rmsprop"]},
    "layers": {"type": "quniform", "min_value": 1, "max_value": 6, "q": 1},
}
Request = Callable[[], Any]


def moves_of(request: Request) -> tuple[Counter[tuple[str, str]], set[str]]:
    """How often one file calls another, and all files that are called."""
    pairs, files, stack = Counter[tuple[str, str]](), set[str](), list[str]()

    def watch(frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_filename.removeprefix(ROOT)
        if name == frame.f_code.co_filename:
            return
        if event == "return":
            stack.pop()
        elif event == "call":
            if stack and stack[-1] != name:
                pairs[stack[-1], name] += 1
            files.add(name)
            stack.append(name)

    sys.setprofile(watch)
    request()
    sys.setprofile(None)
    return pairs, files


def new_sweep() -> Request:
    """A POST of the new-sweep form that saves a sweep."""
    client, numbers = builder_forms.member(Client()), itertools.count()
    rows = (builder_forms.X, builder_forms.BATCH, builder_forms.RATE)
    fields = builder_forms.form(rows, sampler="bayesian", policy="median_stopping")
    return lambda: builder_forms.send(
        client, {**fields, "form_token": f"token-of-the-form-{next(numbers)}"}
    )


def live_update() -> Request:
    """The poll of a sweep's page with 30 trials after one of them has reported."""
    sweep = _sweep(finished=26, running=4)
    client, feed = (
        builder_forms.member(Client()),
        reverse("sweep_feed", args=[sweep.pk]),
    )
    seen = client.get(feed).json()["since"]
    factories.report(sweep.trials.last(), [0.7], first_step=5)
    return lambda: client.get(feed, {"since": seen})


def metric_report() -> Request:
    """One report of the primary metric, judged by median stopping."""
    trial, token = _sweep(finished=10, running=1).trials.last(), new_token("trl")
    Attempt.objects.filter(trial=trial).update(
        trial_token_digest=token.digest, runner_token_digest="another"
    )
    client, steps = Client(), itertools.count(5)
    return lambda: client.post(
        f"/api/v1/trials/{trial.pk}/metrics",
        {"points": [{"name": "accuracy", "step": next(steps), "value": 0.93}]},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token.secret}"},
    )


def suggestion() -> Request:
    """The Bayesian sampler's choice for a sweep with 20 finished trials."""
    return partial(suggest, _sweep(finished=20), 20)


def _sweep(*, finished: int, running: int = 0) -> Any:
    """A sweep that is an hour old; each trial has five reports."""
    document = factories.definition_document(
        search_space=SPACE,
        sampling_algorithm={"type": "bayesian", "seed": 7},
        early_termination={"type": "median_stopping"},
        limits={"max_total_trials": 60, "max_concurrent_trials": 10},
        trial={"command": "python train.py ${{search_space.layers}}"},
    )
    then = {"updated_at": timezone.now() - timedelta(hours=1)}
    sweep = factories.sweep(builder_forms.physics_team(), document=document, **then)
    space = parse_document(document).search_space
    for number in range(finished + running):
        params = space.sample(np.random.default_rng(number))
        values = [0.5 + 0.01 * (number % 7) + 0.02 * n for n in range(5)]
        state = "completed" if number < finished else "running"
        factories.reported_trial(sweep, values, state=state, params=params)
    sweep.trials.update(**then)
    return sweep


def main() -> None:
    logging.disable(logging.WARNING)
    call_command("migrate", verbosity=0)
    for prepared in (new_sweep, live_update, metric_report, suggestion):
        request = prepared()
        assert getattr(request(), "status_code", 200) in (200, 302)
        pairs, files = moves_of(request)
        print(f"{prepared.__name__:14} {pairs.total():6,} moves, {len(files)} files")
        for (one, other), count in pairs.most_common(25):
            if "--pairs" in sys.argv:
                print(f"    {count:5} {one} -> {other}")


if __name__ == "__main__":
    main()
