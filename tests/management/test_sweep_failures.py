"""Failures and pre-flights on the command line."""

from __future__ import annotations

from pathlib import Path

import yaml

from experiments.management.sweep_actions import has_paused_itself
from experiments.models import Sweep
from tests import factories
from tests.management.conftest import Run
from tests.pages.sweep.test_failures import oom, sweep


def test_show_tells_the_most_frequent_error_in_a_line(run: Run) -> None:
    made = oom(sweep())
    told = run("sweep", "show", made.pk).out
    assert "failures:      6: RuntimeError: CUDA out of memory" in told
    assert "(likely memory ran out)" in told
    assert "failures:" not in run("sweep", "show", sweep().pk).out


def test_one_configuration_is_tried_first_when_asked(run: Run, tmp_path: Path) -> None:
    factories.team(ada="member")
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(factories.definition_document()))
    run("sweep", "submit", file)
    assert Sweep.objects.latest("pk").preflight is None
    run("sweep", "submit", file, "--try-first")
    made = Sweep.objects.latest("pk")
    assert (made.state, made.preflight["state"]) == ("running", "running")
    assert made.preflight["hold"] is False
    assert "pre-flight:    running." in run("sweep", "show", made.pk).out


def test_watching_ends_when_the_sweep_has_paused_itself() -> None:
    made = factories.sweep(factories.team(), state="paused", reason="preflight_failed")
    assert has_paused_itself(made)
    factories.trial(made)
    assert not has_paused_itself(made)
    made.trials.all().delete()
    Sweep.objects.filter(pk=made.pk).update(reason="user")
    made.refresh_from_db()
    assert not has_paused_itself(made)
