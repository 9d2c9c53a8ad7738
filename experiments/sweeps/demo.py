"""The demo: a small neural network on handwritten digits, as an ordinary sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import transaction

from experiments import lifecycle, queues
from experiments.code import snapshots
from experiments.models import Sweep, Team, User
from experiments.search.document.definition import parse_document
from experiments.search.document.loading import load_document
from experiments.sweeps.creation import create_sweep

FOLDER = Path(__file__).resolve().parent.parent / "demo"
CODE = ("train.py", "network.py", "digits.csv.gz")


def start_demo(team: Team, user: User | None) -> Sweep:
    """A new demo sweep for the team, started."""
    text = (FOLDER / "sweep.yaml").read_text()
    document: dict[str, Any] = dict(load_document(text))
    files = {name: (FOLDER / name).read_bytes() for name in CODE}
    code = snapshots.store_files(team, files, user=user)
    document["trial"] = {**document["trial"], "code": {"upload": code.digest}}
    with transaction.atomic():
        sweep = create_sweep(team, parse_document(document), user=user)
        lifecycle.start_sweep(sweep, actor=user)
        queues.wake_scheduler()
    return sweep


def ensure_demo() -> str:
    """Start the demo for the first team unless it has one; what to tell about it."""
    team = Team.objects.order_by("pk").first()
    if team is None:
        return "There is no team yet, so the demo was not started."
    found = Sweep.objects.filter(
        experiment__team=team, experiment__slug="digits", name="first look"
    ).first()
    if found is not None:
        return f"The demo sweep is {found.label}, {found.state}."
    sweep = start_demo(team, None)
    return f"The demo sweep {sweep.label} has started."
