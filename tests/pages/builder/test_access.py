"""The builder: who may use it, and what hostile text does to it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from experiments.code import snapshots
from experiments.models import Sweep, Team
from experiments.pages.builder.filling import fresh_form
from tests import factories
from tests.pages.builder.builder_forms import (
    X,
    form,
    page,
    preview,
    problems,
    send,
    wrong_fields,
)

pytestmark = pytest.mark.django_db


HOSTILE = "<script>alert('x')</script>\"'&{{ x }}"


def test_viewers_are_refused_with_a_sentence(client: Client, physics: Team) -> None:
    sweep = factories.sweep(physics, state="draft")
    client.force_login(factories.user("victor"))
    for url in (reverse("sweep_create"), reverse("sweep_edit", args=(sweep.pk,))):
        for response in (client.get(url), client.post(url, form(do="start"))):
            assert response.status_code == 403
            assert "Viewers cannot create or change sweeps" in page(response)
    for name in ("sweep_preview", "sweep_files"):
        assert client.post(reverse(name), form()).status_code == 403
    assert Sweep.objects.get().state == "draft"


def test_visitors_are_sent_to_the_login_page(client: Client, physics: Team) -> None:
    sweep = factories.sweep(physics, state="draft")
    forms = (reverse("sweep_create"), reverse("sweep_edit", args=(sweep.pk,)))
    others = (reverse("sweep_preview"), reverse("sweep_files"))
    answers = [client.get(url) for url in (*forms, *others)]
    answers += [client.post(url, form()) for url in others]
    for response in answers:
        assert response.status_code == 302
        assert response.url.startswith(reverse("account_login"))
    for url in forms:
        response = client.post(url, form())
        assert response.status_code == 401
        assert "Log in, and your form is sent." in page(response)


def test_what_belongs_to_another_team_does_not_exist(ada: Client) -> None:
    other = factories.team("Chemistry", eve="member")
    sweep = factories.sweep(other, state="draft")
    url = reverse("sweep_create")
    assert ada.get(f"{url}?clone={sweep.pk}").status_code == 404
    assert ada.get(f"{url}?experiment={sweep.experiment_id}").status_code == 404
    assert ada.get(f"{url}?clone=abc").status_code == 404
    assert ada.get(reverse("sweep_edit", args=(sweep.pk,))).status_code == 404
    assert send(ada, form(team="chemistry")).status_code == 404
    assert Sweep.objects.count() == 1


def test_code_of_another_team_is_refused(ada: Client) -> None:
    other = factories.team("Chemistry", eve="member")
    code = snapshots.store_files(other, {"secret.py": b"1"}, user=None)
    response = send(ada, form(code=code.digest))
    assert wrong_fields(response) == {"files"}
    assert "secret.py" not in page(response)


def test_the_sweep_goes_to_the_team_that_the_form_was_opened_for(ada: Client) -> None:
    second = factories.team("Biology", ada="member")
    session = ada.session
    session["team"] = second.slug
    session.save()
    send(ada, form())
    assert Sweep.objects.get().experiment.team.name == "Physics"


def test_a_change_needs_the_csrf_token(physics: Team) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.user("ada"))
    for name in ("sweep_create", "sweep_preview", "sweep_files"):
        assert client.post(reverse(name), form()).status_code == 403


def test_hostile_text_is_shown_as_text_everywhere(ada: Client) -> None:
    row = {"name": HOSTILE, "kind": HOSTILE, "values": HOSTILE, "low": HOSTILE}
    choice = {"name": "c", "kind": "choice", "values": f'"{HOSTILE[:20]}", b'}
    singles = ("command", "primary_metric", "goal", "sampler", "policy", "compute")
    texts = dict.fromkeys(singles, HOSTILE)
    texts |= {"inputs": HOSTILE, "experiment_name": HOSTILE, "paste": HOSTILE}
    texts |= {"folder": HOSTILE, "code": HOSTILE, "rule": HOSTILE, "seed": HOSTILE}
    fields = form([row, choice], **texts, form_token=HOSTILE)
    for do in ("save", "paste", "yaml", "add", "update", HOSTILE):
        html = page(send(ada, {**fields, "do": do}))
        assert "<script>alert" not in html
    answer = preview(ada, fields)
    assert "<script>alert" not in answer["twin"] + answer["draws"]
    assert all("<script>alert" not in row["picture"] for row in answer["rows"])
    yaml = form(yaml_mode="1", yaml=f"{HOSTILE}</textarea>", do="save")
    assert "<script>alert" not in page(send(ada, yaml))


ODD = ["\0", "\u202e", "\u2028", "9" * 5000, "[" * 5000, '"\\ud800"', '"\\u0000"']


@pytest.mark.parametrize("text", ODD)
def test_odd_text_gives_problems_and_never_an_error(ada: Client, text: str) -> None:
    row = {"name": text, "kind": "choice", "values": text}
    names = [name for name in fresh_form().fields if name not in ("sampler", "policy")]
    fields = form([row, {**X, "low": text}], **dict.fromkeys(names, text), paste=text)
    fields |= {"inputs": f"a={text}", "tags": f"a={text}", "form_token": text}
    for do in ("save", "paste", "yaml"):
        assert send(ada, {**fields, "do": do}).status_code in (200, 422)
        only = form(tags=f"a={text}", description=text, form_token=text, do=do)
        assert send(ada, only).status_code in (200, 302, 422)
        assert send(ada, form(team=text, do=do)).status_code in (400, 404)
    assert preview(ada, fields)["problems"]


def test_the_number_of_queries_does_not_grow_with_the_rows(
    ada: Client, django_assert_max_num_queries: Any
) -> None:
    rows = [{**X, "name": f"x{index}"} for index in range(40)]
    # PostgreSQL's savepoints are queries as well.
    with django_assert_max_num_queries(26):
        send(ada, form(rows, do="update"))


ONE_FIELD = ("command", "primary_metric", "experiment_name", "display_name", "inputs")


@pytest.mark.parametrize("name", [*ONE_FIELD, "description", "tags", "row-0-low"])
def test_nul_is_refused_at_its_field(ada: Client, name: str) -> None:
    text = "a=b\0c" if name in ("inputs", "tags") else "b\0c"
    response = send(ada, form() | {name: text})
    assert response.status_code == 422
    assert wrong_fields(response) == {name}
    assert not Sweep.objects.exists()


def test_every_field_says_at_once_what_is_wrong(ada: Client) -> None:
    texts = {"experiment_name": "../../x <b>&", "primary_metric": ""}
    fields = form(**texts, tags="a=\0", requirements="a b c", max_total_trials="many")
    found = problems(ada, fields)
    wrong = {"experiment_name", "primary_metric", "tags", "max_total_trials"}
    assert wrong <= set(found)
    assert "must not have . or .." in found["experiment_name"]
    assert "NUL" in found["tags"]
