"""sweep backfill."""

from __future__ import annotations

from tests import factories
from tests.management.conftest import Run


def test_trials_are_listed_and_then_queued_once(run: Run) -> None:
    sweep = factories.sweep(factories.team("Physics", ada="member"))
    factories.trial(sweep, state="failed", message="Out of memory.")
    factories.trial(sweep, state="completed", value=0.5)
    dry = run("sweep", "backfill", "digits-1", "--dry-run")
    assert dry.code == 0 and not sweep.requests.exists()
    assert dry.out.splitlines() == [
        "     0  failed    Out of memory.",
        "digits-1: 1 failed; 1 would run.",
    ]
    ran = run("sweep", "backfill", sweep.pk, "--user", "ada")
    assert ran.out.endswith("digits-1: 1 failed; 1 will run.\n")
    assert sweep.requests.get().requested_by == factories.user("ada")
    assert (
        run("sweep", "backfill", "digits-1").out == "digits-1: no trials; 0 will run.\n"
    )
    assert sweep.requests.count() == 1


def test_a_draft_is_refused(run: Run) -> None:
    sweep = factories.sweep(factories.team(), state="draft")
    factories.trial(sweep, state="failed")
    ran = run("sweep", "backfill", "digits-1")
    assert ran.code == 1 and "has not begun" in ran.err
