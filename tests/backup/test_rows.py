"""All rows go through a file and come back, whatever tables there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models.functions import Now

from experiments.backup import rows
from experiments.backup.database import (
    check_database,
    load_rows,
    make_tables,
    opened,
    refuse_newer,
    refuse_older,
    refuse_unless_empty,
    save_database,
)
from experiments.backup.rows import BackupError
from experiments.db.new_tables import tables
from experiments.models import Pool, Sweep, Trial, User
from tests import factories
from tests.models.initial_rows import own_models, rows_of

pytestmark = pytest.mark.django_db(transaction=True)


def silent(step: str, done: int, total: int) -> None:
    assert done <= total


@pytest.fixture(scope="module")
def with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose tables are those of this version; copy it."""
    return tmp_path_factory.mktemp("backup") / "tables.sqlite3"


@pytest.fixture
def full(with_tables: Path, tmp_path: Path) -> Path:
    """A file with two rows in every table of ours, and an id that is free again."""
    if not with_tables.exists():
        with opened(with_tables) as file:
            make_tables(file, MigrationLoader(None).disk_migrations)
    path = tmp_path / "full.sqlite3"
    path.write_bytes(with_tables.read_bytes())
    with opened(path, DEFAULT_DB_ALIAS), transaction.atomic():
        for model in own_models(apps):
            for row in rows_of(model):
                values = {
                    field.attname: field.to_python(row[field.attname])
                    for field in model._meta.fields
                }
                model(**values).save_base(raw=True, force_insert=True)
        Pool.objects.create(pk=41, name="deleted").delete()
    return path


def test_every_row_of_every_table_comes_back(full: Path, tmp_path: Path) -> None:
    called: list[int] = []
    load_rows(full, silent, then=lambda: called.append(User.objects.count()))
    assert called == [2]
    again = tmp_path / "again.sqlite3"
    counts = save_database(again, silent)
    assert counts == check_database(full)
    assert all(counts[each._meta.db_table] for each in own_models(apps))
    with opened(full) as one, opened(again, "other") as other:
        before, after = contents(one), contents(other)
    assert after == before


def contents(alias: str) -> dict[str, rows.TableContent]:
    found = {}
    for model in tables():
        content = found[model._meta.db_table] = rows.TableContent()
        for _ in rows._read(model, alias, content):
            pass
    return found


def test_no_id_is_given_again(full: Path, tmp_path: Path) -> None:
    load_rows(full, silent, then=lambda: None)
    assert Pool.objects.create(name="new").pk == 42
    again = tmp_path / "again.sqlite3"
    save_database(again, silent)
    with opened(again, DEFAULT_DB_ALIAS):
        assert Pool.objects.create(name="newer").pk == 43


def test_what_the_managers_leave_out_is_copied_too(tmp_path: Path) -> None:
    team = factories.team(ada="admin")
    gone = factories.sweep(team, state="cancelled")
    Sweep.all_objects.filter(pk=gone.pk).update(deletion_requested_at=Now())
    path = tmp_path / "saved.sqlite3"
    assert save_database(path, silent)["experiments_sweep"] == 1


@pytest.fixture
def changed(full: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The target stores one number wrongly."""
    write = rows._write

    def wrongly(model: type[Trial], *arguments: object) -> None:
        write(model, *arguments)  # type: ignore[arg-type]
        if model is Trial:
            Trial.objects.filter(pk=1).update(value=9.5)

    monkeypatch.setattr(rows, "_write", wrongly)
    yield


def test_a_copy_that_differs_is_refused(full: Path, changed: None) -> None:
    with pytest.raises(BackupError, match=r"experiments_trial \(2 rows, now 2\)"):
        load_rows(full, silent, then=lambda: None)
    assert not User.objects.exists()


def test_a_value_that_the_database_cannot_hold_is_named(full: Path) -> None:
    with opened(full, DEFAULT_DB_ALIAS):
        Pool.objects.filter(pk=1).update(name="x" * 70)
    if connection.vendor != "postgresql":
        load_rows(full, silent, then=lambda: None)
        return
    with pytest.raises(
        BackupError, match=r"too long.*experiments_pool, line 1, column"
    ):
        load_rows(full, silent, then=lambda: None)
    assert not Pool.objects.exists()


def test_a_database_with_users_is_not_replaced(full: Path) -> None:
    refuse_unless_empty()
    factories.user()
    with pytest.raises(BackupError, match="is in use: it has users"):
        refuse_unless_empty()


def test_other_versions_are_refused(full: Path) -> None:
    _, newest = MigrationLoader(None).graph.leaf_nodes("experiments")[0]
    with opened(full) as file, connections[file].cursor() as cursor:
        refuse_newer(file)
        refuse_older(file)
        cursor.execute(
            "UPDATE django_migrations SET name = '9999_later'"
            " WHERE app = 'experiments' AND name = %s",
            [newest],
        )
        with pytest.raises(BackupError, match=r"newer version.*9999_later"):
            refuse_newer(file)
        with pytest.raises(BackupError, match=r"Run manage\.py setup"):
            refuse_older(file)


def test_damage_is_found(full: Path) -> None:
    content = bytearray(full.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) // 2)
    full.write_bytes(content)
    with pytest.raises(BackupError, match="is damaged"):
        check_database(full)


def test_numbers_in_json_are_equal_in_both_databases() -> None:
    one, other = rows.TableContent(), rows.TableContent()
    one.add(({"a": 1e22, "b": [0.5, -0.0]},))
    other.add(({"b": [0.5, 0], "a": 10**22},))
    assert one == other
    other.add((0.1,))
    assert one != other


def test_copying_needs_no_order(full: Path, tmp_path: Path) -> None:
    with opened(full) as file:
        found = [*rows._read(Trial, file, rows.TableContent())]
    one, other = rows.TableContent(), rows.TableContent()
    for row in found:
        one.add(row)
    for row in reversed(found):
        other.add(row)
    assert one == other and len(found) == 2
