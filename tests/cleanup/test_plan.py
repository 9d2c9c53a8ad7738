"""Choosing what to remove, the dry run, what is protected, and the move."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from experiments import lifecycle, storage
from experiments.cleanup import purge, rules, trash
from experiments.cleanup.move import CHANGED, confirmed, move
from experiments.cleanup.plan import plan_of
from experiments.cleanup.selection import path_expression, read_selection
from experiments.code import snapshots
from experiments.models import (
    Artifact,
    Attempt,
    CleanupRule,
    CodeSnapshot,
    Event,
    Experiment,
    Removable,
    Run,
    Sweep,
    Team,
    TrashItem,
    Trial,
)
from experiments.search.fields import DefinitionError
from experiments.sweeps.control import NotPossible
from experiments.tracking import compaction
from tests import factories

pytestmark = pytest.mark.django_db
MB = 1_000_000


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    settings.HOME = tmp_path
    return tmp_path


@pytest.fixture
def team() -> Team:
    factories.user("ada")
    return factories.team(ada="admin")


def filled(team: Team, *, trials: int = 4, days: int = 40, **fields: Any) -> Sweep:
    """An ended sweep; its trial n has the value n / 10, a file of n + 1 MB, and a
    log."""
    sweep = factories.sweep(team, state="completed", **fields)
    ended = timezone.now() - timedelta(days=days)
    for number in range(trials):
        trial = factories.trial(
            sweep, state="completed", value=number / 10, ended_at=ended
        )
        attempt = trial.current_attempt
        assert attempt is not None
        sha256 = f"{attempt.pk:064}"
        Artifact.objects.create(
            attempt=attempt,
            path=f"models/epoch-{number}.pt",
            size=(number + 1) * MB,
            sha256=sha256,
        )
        storage.write_whole(storage.output_path(attempt.pk, sha256), [b"model"])
        storage.append_log(attempt.pk, b"line\n" * 1000)
        Attempt.objects.filter(pk=attempt.pk).update(log_bytes=5000)
    return sweep


def dry_run(team: Team, **data: Any) -> Any:
    return plan_of(read_selection({"kind": "artifacts", **data}, team), team)


def numbers(sweep: Sweep) -> list[int]:
    """The trials that have files which are not in the trash."""
    files = Artifact.objects.filter(attempt__trial__sweep=sweep)
    return sorted(files.values_list("attempt__trial__number", flat=True))


class TestSelection:
    @pytest.mark.parametrize(
        ("data", "field", "sentence"),
        [
            ({"kind": "cats"}, "kind", "'cats' is not one of sweep, run"),
            ({"state": "running"}, "state", "'running' is not one of completed"),
            ({"older_than": "soon"}, "older_than", "'soon' is not a number of days"),
            ({"larger_than": "big"}, "larger_than", "'big' is not a size"),
            ({"not_best": "-1"}, "not_best", "'-1' is not a whole number"),
            ({"sweep": "99"}, "sweep", "Team Physics has no sweep 99."),
            ({"kind": "code", "where": "x"}, "where", "Leave it empty"),
        ],
    )
    def test_a_wrong_field_is_named(
        self, team: Team, data: dict[str, str], field: str, sentence: str
    ) -> None:
        with pytest.raises(DefinitionError) as caught:
            read_selection(data, team)
        assert sentence in " ".join(caught.value.by_path()[field])

    def test_another_teams_sweep_is_unknown(self, team: Team) -> None:
        other = factories.sweep(factories.team("Others"))
        with pytest.raises(DefinitionError, match="has no sweep"):
            read_selection({"sweep": other.pk}, team)

    def test_it_survives_being_stored_and_has_words(self, team: Team) -> None:
        data = {"kind": "artifacts", "not_best": "10", "older_than": "30 days"}
        found = read_selection({**data, "larger_than": "1 MB", "files": "*.pt"}, team)
        assert read_selection(found.document(), team) == found
        assert found.words == (
            "artifacts outside the best 10, named *.pt, older than 30 days, larger"
            " than 1.0 MB"
        )


class TestDryRun:
    def test_it_counts_and_gives_the_largest_as_example(self, team: Team) -> None:
        sweep = filled(team)
        (row,) = dry_run(team, not_best=2).rows
        assert (row.where, row.matched.files, row.taken.files) == (sweep, 4, 2)
        assert (row.taken.bytes, row.left, row.kept) == (
            3 * MB,
            7 * MB,
            "2 best trials",
        )
        assert row.example == "1: models/epoch-1.pt, 2.0 MB"

    @pytest.mark.parametrize(
        ("data", "taken"),
        [
            ({}, {0, 1, 2}),
            ({"larger_than": "2 MB"}, {2}),
            ({"older_than": 50}, set()),
            ({"state": "failed"}, set()),
            ({"files": "*/epoch-1.*"}, {1}),
            ({"files": "epoch"}, set()),
            ({"where": "x < 0.15 and value >= 0"}, {0, 1}),
            ({"where": "state = failed"}, set()),
            ({"where": "not (unset < 3)"}, None),
            ({"where": "unless < 3 or number == 1"}, None),
        ],
    )
    def test_conditions(
        self, team: Team, data: dict[str, Any], taken: set[int] | None
    ) -> None:
        sweep = filled(team)
        if taken is None:
            with pytest.raises(DefinitionError, match="where"):
                dry_run(team, **data)
            return
        before = set(numbers(sweep))
        move(dry_run(team, **data), actor=None)
        assert before - set(numbers(sweep)) == taken

    def test_lower_can_be_better(self, team: Team) -> None:
        sweep = filled(team)
        Sweep.objects.update(goal="minimize")
        move(dry_run(team), actor=None)
        assert numbers(sweep) == [0]

    def test_what_is_protected_says_why(self, team: Team) -> None:
        running, tagged, source, tagged_trial = (filled(team) for _ in range(4))
        Sweep.objects.filter(pk=running.pk).update(state="running")
        Sweep.objects.filter(pk=tagged.pk).update(tags={"keep": ""})
        draft = factories.sweep(team, state="draft")
        data = {"sources": [source.trials.all()[0].pk]}
        Event.log("first trials added", sweep=draft, data=data)
        Run.objects.create(trial=tagged_trial.trials.all()[1], tags={"keep": "1"})
        rows = {row.where: row for row in dry_run(team).rows}
        assert {place.pk: row.kept for place, row in rows.items()} == {
            running.pk: "running",
            tagged.pk: "tagged keep",
            source.pk: "another sweep began with its trials",
            tagged_trial.pk: "1 best trial, trials tagged keep",
        }
        assert [rows[each].taken.files for each in rows] == [2, 0, 0, 0]
        assert rows[running].matched.files == 4

    def test_other_teams_are_left_alone(self, team: Team) -> None:
        other = filled(factories.team("Others", bob="admin"))
        assert dry_run(team).rows == ()
        assert len(numbers(other)) == 4

    def test_queries_do_not_grow_with_sweeps(
        self, team: Team, django_assert_max_num_queries: Callable[..., Any]
    ) -> None:
        for _ in range(5):
            filled(team, trials=2)
        with django_assert_max_num_queries(12):
            dry_run(team, not_best=1)


class TestMove:
    def test_files_leave_pages_and_can_be_restored(self, team: Team) -> None:
        sweep = filled(team)
        (item,) = move(dry_run(team), actor=factories.user("ada"))
        assert (item.files, item.trials, item.bytes) == (3, 3, 6 * MB)
        assert item.mover == "ada" and item.name == sweep.label
        trial = sweep.trials.all()[0]
        assert trial.outputs_removed_at is not None
        trash.restore(item, actor=factories.user("ada"))
        trial.refresh_from_db()
        assert numbers(sweep) == [0, 1, 2, 3] and trial.outputs_removed_at is None
        verbs = Event.objects.order_by("pk").values_list("verb", flat=True)
        assert list(verbs)[-2:] == ["artifacts moved to trash", "artifacts restored"]

    def test_a_changed_dry_run_is_not_carried_out(self, team: Team) -> None:
        filled(team)
        plan = dry_run(team)
        assert confirmed(plan.selection, team, plan.mark) == plan
        filled(team)
        with pytest.raises(NotPossible, match=CHANGED[:30]):
            confirmed(plan.selection, team, plan.mark)

    def test_a_sweep_that_runs_again_since_is_left(self, team: Team) -> None:
        sweep = filled(team)
        plan = dry_run(team)
        lifecycle.extend_sweep(sweep, 1)
        Sweep.objects.filter(pk=sweep.pk).update(state="running")
        assert move(plan, actor=None) == []
        assert len(numbers(sweep)) == 4

    def test_whole_sweeps_runs_and_code(self, team: Team) -> None:
        sweep, run = filled(team), factories.run(team)
        lifecycle.finish_run(run, "completed")  # type: ignore[arg-type]
        code = snapshots.store_files(team, {"train.py": b"1"}, user=None)
        for kind in ("sweep", "run", "code"):
            assert len(move(dry_run(team, kind=kind), actor=None)) == 1
        assert not Sweep.objects.filter(pk=sweep.pk).exists()
        assert not Trial.objects.kept().exists()
        assert not CodeSnapshot.objects.exists()
        for item in TrashItem.objects.all():
            trash.restore(item, actor=None)
        assert Sweep.objects.get() == sweep and Trial.objects.kept().count() == 5
        assert CodeSnapshot.objects.get() == code

    def test_restored_code_that_is_used_again_is_not_deleted(self, team: Team) -> None:
        code = snapshots.store_files(team, {"train.py": b"1"}, user=None)
        move(dry_run(team, kind="code"), actor=None)
        sweep = filled(team, trials=1)
        Sweep.objects.filter(pk=sweep.pk).update(code=code)
        trash.delete_now(TrashItem.objects.all(), actor=None)
        purge.purge_trash()
        assert CodeSnapshot.objects.get() == code
        assert storage.code_path(code.digest).exists()


class TestExperiments:
    def test_it_goes_and_comes_back_with_what_it_had(self, team: Team) -> None:
        first, second = filled(team), filled(team)
        run = factories.run(team)
        lifecycle.finish_run(run, "completed")  # type: ignore[arg-type]
        (before,) = trash.move_sweeps(Sweep.objects.filter(pk=first.pk), actor=None)
        item = trash.move_experiment(second.experiment, actor=None)
        assert not Experiment.objects.exists() and not Trial.objects.kept().exists()
        with pytest.raises(DefinitionError, match="digits is in the trash"):
            factories.experiment(team)
        with pytest.raises(NotPossible, match="Restore that first"):
            trash.restore(before, actor=None)
        trash.restore(item, actor=None)
        assert list(Sweep.objects.all()) == [second]
        assert set(Trial.objects.kept()) == {run, *second.trials.all()}

    def test_one_with_a_running_run_stays(self, team: Team) -> None:
        run = factories.run(team)
        with pytest.raises(trash.StillRunning):
            trash.move_experiment(run.experiment, actor=None)

    def test_it_is_deleted_with_all_it_has(self, team: Team, home: Path) -> None:
        sweep = filled(team)
        trash.move_experiment(sweep.experiment, actor=None)
        trash.delete_now(TrashItem.objects.all(), actor=None)
        purge.purge_trash()
        assert not Experiment.all_objects.exists() and not TrashItem.objects.exists()
        assert not [path for path in (home / "store").rglob("*") if path.is_file()]


class TestPurge:
    def test_a_stopped_deletion_continues_when_asked(
        self, team: Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        filled(team)
        (item,) = trash.move_sweeps(Sweep.objects.all(), actor=None)
        trash.delete_now(TrashItem.objects.all(), actor=None)
        monkeypatch.setattr(purge, "BATCH", 1)
        monkeypatch.setattr(
            purge.site_jobs,
            "report_progress",
            lambda *_: trash.stop_purge(TrashItem.objects.all(), actor=None),
        )
        purge.purge_trash()
        item.refresh_from_db()
        assert item.stopped_at and item.began_at and Trial.objects.count() == 4
        purge.purge_trash()
        assert Trial.objects.count() == 4
        with pytest.raises(NotPossible, match="is being deleted"):
            trash.restore(item, actor=None)
        monkeypatch.undo()
        trash.delete_now(TrashItem.objects.all(), actor=None)
        purge.purge_trash()
        assert not Trial.objects.exists() and not TrashItem.objects.exists()
        event = Event.objects.filter(verb="trash deleted").get()
        assert event.data["freed"] == 4 * 5 + 4 * 5000

    def test_only_files_that_nothing_else_names_go(self, team: Team) -> None:
        sweep = filled(team, trials=2)
        file = Artifact.objects.get(attempt__trial__number=0)
        Artifact.objects.create(
            attempt=file.attempt, path="copy.pt", size=1, sha256=file.sha256
        )
        move(dry_run(team, files="models/*"), actor=None)
        trash.delete_now(TrashItem.objects.all(), actor=None)
        purge.purge_trash()
        assert storage.output_path(file.attempt_id, file.sha256).exists()
        assert Artifact.all_objects.count() == 2 and numbers(sweep) == [0, 1]

    def test_long_logs_keep_both_ends(self, team: Team) -> None:
        filled(team, trials=2)
        plan = dry_run(team, kind="log middles", keep="2 kB")
        assert plan.taken.bytes == 3000
        move(plan, actor=None)
        attempt = Attempt.objects.get(trial__number=0)
        assert len(storage.visible_log(attempt)) == 5000
        trash.delete_now(TrashItem.objects.all(), actor=None)
        purge.purge_trash()
        log = storage.visible_log(attempt)
        assert 1000 < len(log) < 2500 and b"left out here" in log
        assert dry_run(team, kind="log middles", keep="2 kB").taken.bytes == 0

    def test_points_of_other_metrics_are_thinned(self, team: Team) -> None:
        sweep = factories.sweep(team)
        other = factories.trial(sweep)
        factories.trial(sweep, state="completed", value=9.0)
        claim = factories.claim(other)
        factories.report(other, [n / 1000 for n in range(500)])
        factories.report(other, list(np.sin(np.arange(1000))), name="grad")
        done = lifecycle.Outcome(cause="exited", exit_code=0, elapsed=10.0)
        lifecycle.finish_attempt(claim.attempt, done)
        compaction.compact_ended()
        Sweep.objects.update(state="completed")
        before = dict(factories.points(claim.attempt, "grad"))
        move(dry_run(team, kind="metrics", keep=10), actor=None)
        assert len(factories.points(claim.attempt, "grad")) == 1000
        trash.delete_now(TrashItem.objects.all(), actor=None)
        purge.purge_trash()
        after = dict(factories.points(claim.attempt, "grad"))
        assert 100 <= len(after) <= 104 and after.items() <= before.items()
        assert {0, 999} <= after.keys()
        assert {min(before.values()), max(before.values())} <= set(after.values())
        assert len(factories.points(claim.attempt)) == 500
        assert Attempt.objects.get(pk=claim.attempt.pk).thinned == 10


class TestRules:
    def test_they_run_once_a_night_and_say_what_they_would_free(
        self, team: Team
    ) -> None:
        sweep = filled(team)
        data = {"kind": "artifacts", "older_than": 30}
        rule = rules.save_rule(team, data, enabled=True, actor=factories.user("ada"))
        assert rule.bytes == 6 * MB
        assert not rules.due_rules().exists()
        CleanupRule.objects.update(created_at=timezone.now() - timedelta(days=2))
        rules.run_rules()
        assert numbers(sweep) == [3] and not rules.due_rules().exists()
        rule.refresh_from_db()
        assert (rule.last_bytes, rule.bytes) == (6 * MB, 0)
        item = TrashItem.objects.get()
        assert (item.rule, item.mover) == (rule, f"rule {rule.pk}")
        verbs = set(Event.objects.values_list("verb", flat=True))
        assert {"cleanup rule added", "cleanup rule ran"} <= verbs

    def test_a_rule_that_cannot_run_says_why_and_waits(self, team: Team) -> None:
        sweep = filled(team)
        data = {"kind": "artifacts", "sweep": sweep.pk}
        rule = rules.save_rule(team, data, enabled=True, actor=None)
        trash.move_sweeps(Sweep.objects.all(), actor=None)
        CleanupRule.objects.update(created_at=timezone.now() - timedelta(days=2))
        rules.run_rules()
        rule.refresh_from_db()
        assert "has no sweep" in rule.problem and not rules.due_rules().exists()

    def test_a_team_decides_how_long_its_trash_is_kept(self, team: Team) -> None:
        filled(team)
        data = {"kind": "trash", "older_than": "3"}
        rule = rules.save_rule(team, data, enabled=True, actor=None)
        item = TrashItem.add(Removable.LOGS, "a", team.pk)
        assert item.until is not None
        assert timedelta(2) < item.until - timezone.now() < timedelta(3, 5)
        rules.save_rule(team, data, enabled=False, actor=None, rule=rule)
        assert TrashItem.add(Removable.LOGS, "b", team.pk).until is None
        with pytest.raises(DefinitionError, match="from 1 to 3650"):
            rules.save_rule(team, {"kind": "trash"}, enabled=True, actor=None)


@pytest.mark.parametrize(
    ("pattern", "meets"),
    [
        ("models/*", True),
        ("*els*oo*.pt", True),
        ("*o*.pt*", True),
        ("models/o.pt", False),
        ("oo*", False),
        # It took minutes, during which the site did not answer.
        ("*o*o*o*o*o*o*o*o*b", False),
    ],
)
def test_patterns_of_paths_are_quick(team: Team, pattern: str, meets: bool) -> None:
    filled(team, trials=1)
    Artifact.objects.update(path=f"models/{'o' * 120}.pt")
    files = Artifact.objects.filter(path__regex=path_expression(pattern))
    assert files.exists() == meets
