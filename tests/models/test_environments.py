"""What is stored about how a trial ran: only known fields, once each, no secrets."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from experiments.models import EnvironmentPart, Run, Trial
from experiments.models.environments import (
    MAX_DIFF,
    cleaned,
    delete_unused_parts,
    note_environment,
    whole_environments,
)
from tests import factories

pytestmark = pytest.mark.django_db
SENT = {
    "command": ["python", "train.py", "--api-key", "abc"],
    "variables": {"OMP_NUM_THREADS": "4", "HF_TOKEN": "hf_1", "PIP": "http://u:p@h/"},
    "packages": ["numpy==2.2.1"],
    "cpus": 8,
}


def test_trials_with_the_same_packages_share_them() -> None:
    sweep = factories.sweep(factories.team())
    for number in range(2):
        note_environment(factories.trial(sweep), {**SENT, "host": f"host-{number}"})
    assert EnvironmentPart.objects.count() == 2
    runs = list(Run.objects.order_by("pk"))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        first, second, none = whole_environments(*runs, None)
    assert len(queries) == 1
    assert (first["host"], second["host"]) == ("host-0", "host-1")
    assert first["packages"] == second["packages"] == ["numpy==2.2.1"]
    assert first["seed"] == 7
    assert len(first["document"]) == 64
    assert none["packages"] is None


def test_the_last_word_counts_and_keeps_what_was_logged() -> None:
    trial = factories.trial(factories.sweep(factories.team()))
    Run.objects.create(trial=trial, note="kept")
    for host in ("one", "two"):
        note_environment(trial, {"host": host})
    run = Run.objects.get(trial=trial)
    assert (run.environment["host"], run.note) == ("two", "kept")


def test_secrets_are_hidden_whoever_sends_them() -> None:
    found = cleaned(SENT)
    assert found["command"][-1] == "***"
    assert found["variables"] == {
        "HF_TOKEN": None,
        "OMP_NUM_THREADS": "4",
        "PIP": "http://***@h/",
    }


def test_what_is_not_of_its_kind_is_left_out_and_said() -> None:
    found = cleaned(
        {"cpus": True, "gpus": [7], "diff": "x" * 300_000, "host": "\0a\ud800"}
    )
    assert found["left_out"] == [
        "gpus is left out: allowed are texts",
        "diff is cut after 200,000",
        "cpus is left out: allowed are whole numbers",
    ]
    assert len(found["diff"]) == MAX_DIFF
    assert found["host"] == "a?"
    assert cleaned({"nonsense": 1}) == {}


def test_what_no_run_has_any_more_goes_once_it_is_old() -> None:
    sweep = factories.sweep(factories.team())
    trials = [factories.trial(sweep) for _ in range(2)]
    for number, trial in enumerate(trials):
        note_environment(trial, {"packages": ["a==1"], "diff": f"-{number}"})
    Trial.objects.filter(pk=trials[0].pk).delete()
    delete_unused_parts()
    assert EnvironmentPart.objects.count() == 3
    long_ago = timezone.now() - timedelta(days=2)
    EnvironmentPart.objects.update(used_at=long_ago)
    delete_unused_parts()
    (left,) = whole_environments(Run.objects.get())
    assert (left["packages"], left["diff"]) == (["a==1"], "-1")
    assert EnvironmentPart.objects.count() == 2


def test_secrets_in_a_difference_are_hidden() -> None:
    diff = "+URL = 'https://me:secret@host/'\n+KEY = 'ghp_0123456789abcdef'\n"
    assert (
        cleaned({"diff": diff})["diff"] == "+URL = 'https://***@host/'\n+KEY = '***'\n"
    )
