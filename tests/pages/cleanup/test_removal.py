"""Cards of /cleanup/ that remove; moving one sweep or experiment; the command line."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from experiments.models import Artifact, CleanupRule, Experiment, Sweep, TrashItem
from tests import factories
from tests.pages.clients import client_of, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_data_folder")]
ASKED = "place=physics&kind=artifacts&older_than=30&not_best=1"


@pytest.fixture
def sweep() -> Sweep:
    team = factories.team("Physics", ada="admin", mia="member", vera="viewer")
    made = factories.sweep(team, state="completed")
    ended = timezone.now() - timedelta(days=40)
    for number in range(3):
        trial = factories.trial(made, state="completed", value=number, ended_at=ended)
        Artifact.objects.create(
            attempt=trial.current_attempt, path="a.pt", size=1e6, sha256="0" * 64
        )
    return made


def texts(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_dry_run_then_the_move_then_restore(sweep: Sweep) -> None:
    ada = client_of("ada")
    shown = page(ada, f"/cleanup/?{ASKED}")
    assert "2.0 MB in 2 files of 2 trials match" in texts(shown)
    assert "1 best trial, 1.0 MB" in texts(shown)
    (action,) = set(re.findall(r'href="(/cleanup/move/[^"]+)"', shown))
    action = action.replace("&amp;", "&")
    assert "Move 2.0 MB to the trash?" in page(ada, action)
    moved = ada.post(action, follow=True).content.decode()
    assert "1 item, 2.0 MB, moved to the trash." in moved
    assert "artifacts of 2 trials" in moved and "14 days" in moved
    again = ada.post(action, follow=True).content.decode()
    assert "What matches has changed since the dry run" in again
    item = TrashItem.objects.get()
    back = ada.post(f"/cleanup/trash/{item.pk}/restore/", follow=True)
    assert "digits-1 was restored." in back.content.decode()
    assert Artifact.objects.count() == 3
    rows = ada.get(f"/cleanup/plan.csv?{ASKED}").content.decode().splitlines()
    assert rows[1].startswith("digits-1,2,2,2000000,")


def test_a_wrong_condition_is_said_on_the_card(sweep: Sweep) -> None:
    ada = client_of("ada")
    for name, sent, said in (
        ("older_than", "-3", "Older than: &#x27;-3&#x27; is not a number of days"),
        ("where", "value+%3C", "And only where: Character 8: Something is missing"),
        ("place", "physics/999", "Where: Team Physics has no experiment 999."),
    ):
        shown = page(ada, f"/cleanup/?kind=artifacts&{name}={sent}")
        (field,) = re.findall(rf'name="{name}" [^>]*aria-invalid.*?</p>', shown, re.S)
        assert said in texts(field)
    assert "correct the marked fields" in texts(shown)
    assert "Choose what to remove, then" not in texts(shown)


def test_kinds_and_states_have_one_form(sweep: Sweep) -> None:
    shown = page(client_of("ada"), "/cleanup/")
    found = re.findall(r'id="choose-(?:kind|state)".*?</select>', shown, re.S)
    words = re.findall(r">([^<]+)</option>", "".join(found))
    assert words == [word.lower() for word in words]
    assert {"sweeps", "runs", "artifacts", "any", "ended early"} <= set(words)


def test_the_cards_act_on_the_current_team_and_lead_to_the_others(sweep: Sweep) -> None:
    other = factories.team("Alpha", ada="admin")
    factories.team("Beta", ada="viewer")
    ada = client_of("ada")
    ada.post("/teams/physics/switch/")
    TrashItem.objects.create(team=other, kind="run", name="lost")

    def teams_of(address: str) -> set[str]:
        shown = page(ada, address)
        (where,) = re.findall(r'<select[^>]*name="place"><.*?</select>', shown)[:1]
        (header,) = re.findall(r'"topbar-switch".*?<span>(\w+)</span>', shown, re.S)
        chosen = re.findall(r'value="([^"]+)" selected', where)
        rules = re.findall(r"Retention rules of (\w+)", shown)
        return {
            *chosen,
            *rules,
            *re.findall(r"Empty the trash of (\w+)", shown),
            header,
        }

    assert teams_of("/cleanup/") == {"physics", "Physics"}
    assert teams_of("/cleanup/?kind=artifacts") == {"physics", "Physics"}
    shown = page(ada, "/cleanup/")
    for card in ("rules", "trash"):
        (form,) = re.findall(rf'<form method="get" action="#{card}".*?</form>', shown)[
            :1
        ]
        assert re.findall(r'value="(\w+)"', form) == ["physics", "alpha"]
    assert teams_of("/cleanup/?place=alpha") == {"alpha", "Alpha"}
    assert ada.get("/cleanup/move/?kind=artifacts").status_code == 200
    saved = ada.post("/cleanup/rules/new/?kind=artifacts&older_than=30")
    assert "place=physics" in saved["Location"]
    assert CleanupRule.objects.get().team == sweep.experiment.team


def test_viewers_and_members_see_the_trash_alone(sweep: Sweep) -> None:
    for name in ("vera", "mia"):
        shown = page(client_of(name), f"/cleanup/?{ASKED}")
        assert "The trash is empty" in shown and "Dry run" not in shown


def test_rules_are_saved_and_made_of_a_dry_run(sweep: Sweep) -> None:
    ada = client_of("ada")
    sent = {"standard-0-on": "on", "standard-0-not_best": "2"}
    sent |= {"standard-0-older_than": "20", "standard-4-on": "on"}
    sent |= {"standard-4-older_than": "7"}
    shown = ada.post("/cleanup/rules/physics/", sent, follow=True).content.decode()
    assert "The rules of team Physics are saved." in shown
    first, last = CleanupRule.objects.order_by("pk")
    assert first.selection == {"kind": "artifacts", "not_best": 2, "older_than": 20}
    assert (first.bytes, last.selection["older_than"]) == (10**6, 7)
    ada.post("/cleanup/rules/physics/", sent)
    assert CleanupRule.objects.count() == 2
    said = ada.post(f"/cleanup/rules/new/?{ASKED}&files=*.pt", follow=True)
    rule = CleanupRule.objects.latest("pk")
    assert f"Rule {rule.pk} runs every night" in said.content.decode()
    assert "named *.pt" in page(ada, "/cleanup/")
    ada.post(f"/cleanup/rules/{rule.pk}/remove/")
    assert CleanupRule.objects.count() == 2


def test_a_sweep_and_an_experiment_go_and_are_undone(sweep: Sweep) -> None:
    mia = client_of("mia")
    for url, model in (
        (f"/sweeps/{sweep.pk}/trash/", Sweep),
        (f"/experiments/{sweep.experiment_id}/trash/", Experiment),
    ):
        assert "can be restored until" in page(mia, url)
        shown = mia.post(url, follow=True).content.decode()
        assert not model.objects.exists()
        (undo,) = re.findall(r'<a href="([^"]+)">Undo</a>', shown)
        assert "Restore digits" in page(mia, undo)
        mia.post(undo)
        assert model.objects.exists()
    Sweep.objects.update(state="running")
    refused = mia.post(f"/sweeps/{sweep.pk}/trash/", follow=True).content.decode()
    assert "not over yet. Cancel first" in refused


def test_the_trash_is_emptied_after_a_question(sweep: Sweep) -> None:
    ada = client_of("ada")
    ada.post(f"/sweeps/{sweep.pk}/trash/")
    assert "Empty the trash of team Physics?" in page(
        ada, "/cleanup/trash/physics/empty/"
    )
    ada.post("/cleanup/trash/physics/empty/")
    shown = page(ada, "/cleanup/")
    assert "deleting" in shown and "Stop deleting" in shown
    ada.post("/cleanup/trash/physics/stop/")
    assert "stopped" in page(ada, "/cleanup/")


def test_the_command_line_does_the_same(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("cleanup", "plan", "--older-than", "30")
    assert "2.0 MB  digits-1, 2 files  kept: 1 best trial" in capsys.readouterr().out
    call_command("cleanup", "move", "--older-than", "30")
    (item,) = TrashItem.objects.all()
    call_command("cleanup", "trash")
    assert f"{item.pk}    2.0 MB  artifacts of digits-1" in capsys.readouterr().out
    call_command("cleanup", "restore", str(item.pk))
    assert Artifact.objects.count() == 3
    with pytest.raises(CommandError, match="Not in the trash: 99"):
        call_command("cleanup", "delete", "99")
    call_command("cleanup", "move", "--kind", "sweep")
    call_command("cleanup", "delete", str(TrashItem.objects.get().pk))
    assert "deleted 1 item" in capsys.readouterr().out
    assert not Sweep.all_objects.exists()
    call_command("cleanup", "rules", "--run")
    with pytest.raises(CommandError, match="older_than: 'soon'"):
        call_command("cleanup", "plan", "--older-than", "soon")
    with pytest.raises(CommandError, match=r"from '?sweep'?, '?run'?, "):
        call_command("cleanup", "plan", "--kind", "nonsense")
