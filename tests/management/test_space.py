"""``manage.py space``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from experiments.models import Event
from tests import factories
from tests.cleanup.test_measure import filled, make_old

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    settings.HOME = tmp_path
    return tmp_path


def test_it_measures_and_shows_the_largest_first(capsys: Any) -> None:
    with pytest.raises(CommandError, match="space measure"):
        call_command("space", "show")
    sweep = filled(factories.team())
    call_command("space", "measure")
    assert f"100 B  artifacts  physics/{sweep.label}" in capsys.readouterr().out
    call_command("space", "show", "--team", "physics", "--top", "1")
    first, total = capsys.readouterr().out.splitlines()
    assert first.endswith(f"physics/{sweep.label}") and "in total" in total


def test_it_sets_quotas(capsys: Any) -> None:
    filled(factories.team())
    call_command("space", "measure")
    call_command("space", "quota", "physics", "1 B")
    assert "physics: " in (out := capsys.readouterr().out)
    assert "over its quota: new trials wait" in out
    call_command("space", "quota", "physics", "none")
    assert "no quota" in capsys.readouterr().out
    with pytest.raises(CommandError, match="such as 40 GB, or none for no quota"):
        call_command("space", "quota", "physics", "lots")
    assert Event.objects.filter(verb="quota changed").count() == 2


def test_it_removes_orphans(home: Path, capsys: Any) -> None:
    lost = home / "store" / "attempts" / "987654"
    lost.mkdir(parents=True)
    (lost / "log").write_bytes(b"z" * 50)
    make_old(lost)
    call_command("space", "measure")
    call_command("space", "orphans")
    assert "50 B  logs and outputs of deleted trials: 987654" in capsys.readouterr().out
    call_command("space", "orphans", "--remove")
    assert "Removed 1 orphans, 50 B; kept 0" in capsys.readouterr().out
    assert not lost.exists()
