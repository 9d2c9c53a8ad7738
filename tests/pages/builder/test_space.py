"""The builder: the article's spaces, as rows and as pasted text."""

from __future__ import annotations

import pytest
from django.test import Client

from experiments.models import Sweep
from tests import factories
from tests.pages.builder.builder_forms import (
    BATCH,
    KEEP,
    RATE,
    X,
    form,
    page,
    preview,
    rows_of,
    send,
    wrong_fields,
)

pytestmark = pytest.mark.django_db


ARTICLE = [
    ([BATCH], '{    \n    "batch_size": choice(16, 32, 64, 128)\n    }'),
    (
        [RATE, KEEP],
        '    {    \n    "learning_rate": normal(10, 3),\n'
        '    "keep_probability": uniform(0.05, 0.1)\n    }',
    ),
    (
        [RATE, KEEP, BATCH],
        "param_sampling = RandomParameterSampling( {\n"
        '        "learning_rate": normal(10, 3),\n'
        '        "keep_probability": uniform(0.05, 0.1),\n'
        '        "batch_size": choice(16, 32, 64, 128)\n    }\n)',
    ),
]


@pytest.mark.parametrize(("rows", "text"), ARTICLE)
def test_the_articles_spaces_are_entered_as_rows_and_as_text(
    ada: Client, rows: list[dict[str, str]], text: str
) -> None:
    assert send(ada, form(rows)).status_code == 302
    typed = Sweep.objects.get()
    pasted = send(ada, form([], do="paste", paste=text)).context["form"]
    assert pasted.definition is not None
    assert pasted.document["search_space"] == typed.definition["search_space"]


def test_the_articles_grid_has_six_combinations(ada: Client) -> None:
    text = (
        "param_sampling = GridParameterSampling( {\n"
        '        "num_hidden_layers": choice(1, 2, 3),\n'
        '        "batch_size": choice(16, 32)\n    }\n)'
    )
    response = send(ada, form([], do="paste", paste=text))
    sent = response.context["form"]
    assert sent.picks["sampler"] == "grid"
    assert response.context["preview"].combinations == "6"
    rows = [
        {"name": "num_hidden_layers", "kind": "choice", "values": "1, 2, 3"},
        {"name": "batch_size", "kind": "choice", "values": "16, 32"},
    ]
    grid = form(rows, sampler="grid", max_total_trials="", do="start")
    grid["max_concurrent_trials"] = ""
    assert preview(ada, grid)["combinations"] == "6"
    assert send(ada, grid).status_code == 302
    sweep = Sweep.objects.get()
    assert (sweep.state, sweep.max_total_trials) == ("running", 6)


def test_a_grid_says_what_stands_in_its_way(ada: Client) -> None:
    answer = preview(ada, form([X, BATCH], sampler="grid"))
    assert "A grid needs values to list; x has none." in answer["cards"]["sampler"]
    assert [problem["field"] for problem in answer["problems"]] == ["row-0-kind"]
    assert answer["combinations"] == "infinitely many"


AZURE = """
search_space:
  lr: {type: loguniform, min_value: -6, max_value: -1}
  batch_size: {type: choice, values: [16, 32]}
sampling_algorithm: grid
"""


def test_azures_yaml_is_pasted_as_a_document_or_as_a_space(ada: Client) -> None:
    whole = send(ada, form([], do="paste", paste=AZURE)).context["form"]
    assert whole.picks["sampler"] == "grid"
    inner = "batch_size: {type: choice, values: [16, 32]}\nlr: uniform(0, 1)\n"
    only = send(ada, form([X], do="paste", paste=inner)).context["form"]
    assert [row.key for row in only.rows] == ["x", "batch_size", "lr"]
    dashed = send(ada, form([], do="paste", paste="--lr: uniform(0, 1)"))
    assert [row["name"] for row in rows_of(dashed)] == ["lr"]


CONSTRAINED = """
search_space:
  a: {type: int, low: 1, high: 9}
  b: {type: int, low: 1, high: 9}
constraints: ["a + b <= 9", "a != b"]
"""


def test_pasted_constraints_are_taken_along(ada: Client) -> None:
    sent = send(ada, form([], do="paste", paste=CONSTRAINED)).context["form"]
    assert sent.definition is not None
    assert sent.document["constraints"] == ["a + b <= 9", "a != b"]
    rules = {name: sent.data[name] for name in sent.data if "constraint" in name}
    more = CONSTRAINED.replace('["a + b <= 9", "a != b"]', "a + b <= 9")
    again = send(ada, form([], do="paste", paste=more, **rules)).context["form"]
    assert again.document["constraints"] == ["a + b <= 9", "a != b"]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ('["a + c <= 9"]', "constraints.0: Line 1, column 5: There is no parameter"),
        ("[3]", "constraints.0: A constraint is text"),
        ("{a: b}", "constraints must be a list of texts"),
        ('["a > 9"]', "No configuration meets all constraints"),
    ],
)
def test_pasted_constraints_with_a_mistake_are_refused(
    ada: Client, rules: str, words: str
) -> None:
    text = CONSTRAINED.replace('["a + b <= 9", "a != b"]', rules)
    response = send(ada, form([X], do="paste", paste=text))
    assert words in " ".join(response.context["page"].paste_problems)
    assert [row["name"] for row in rows_of(response)] == ["x"]
    assert response.context["form"].data["paste"] == text


def test_pasted_parameters_replace_those_of_the_same_name_in_place(ada: Client) -> None:
    text = '{"b": choice(1), "c": choice(2)}'
    rows = [{**X, "name": name} for name in "ab"]
    sent = send(ada, form(rows, do="paste", paste=text)).context["form"]
    found = [(row.key, row.spec.key) for row in sent.rows]
    assert found == [("a", "uniform"), ("b", "choice"), ("c", "choice")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"x": unifrom(0, 1)}',
        "{x: [",
        "just words",
        "x: 3",
        '{"x": __import__("os")}',
    ],
)
def test_a_text_that_is_no_space_is_refused_and_kept(ada: Client, text: str) -> None:
    response = send(ada, form(do="paste", paste=text))
    assert response.context["form"].data["paste"] == text
    assert response.context["page"].paste_problems
    assert [row["name"] for row in rows_of(response)] == ["x"]
    assert not Sweep.objects.exists()


def test_a_pasted_parameter_with_a_wrong_value_becomes_a_row_with_its_problem(
    ada: Client,
) -> None:
    response = send(ada, form([], do="paste", paste='{"x": uniform(1, 0)}'))
    assert wrong_fields(response) == {"row-0-high"}


def test_a_copy_may_get_other_ranges(ada: Client) -> None:
    sweep = factories.sweep(
        factories.team("Physics"),
        document=factories.definition_document(search_space={"x": "uniform(0, 1)"}),
    )
    html = page(ada.get(f"/sweeps/new/?clone={sweep.pk}&bounds=x:0.2..0.4"))
    assert 'value="0.2"' in html
    assert 'value="0.4"' in html
    for nonsense in ("x", "x:0.4..0.2", "rate:0..1"):
        refused = ada.get(f"/sweeps/new/?clone={sweep.pk}&bounds={nonsense}")
        assert refused.status_code == 404
