"""The card of the search space: conditions, shares, samples, other tools' files."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.test import Client

from experiments.models import Sweep, Team
from experiments.pages.builder.fields import PartForm
from experiments.pages.builder.space import parameters
from experiments.pages.form_fields import read_values
from experiments.search.records import JSONValue
from tests import factories
from tests.pages.builder.builder_forms import BATCH, X, form, page, preview, send

pytestmark = pytest.mark.django_db
OPTIMIZER = {"name": "optimizer", "kind": "choice", "values": "sgd, adam, lion"}
MOMENTUM = {"name": "momentum", "kind": "uniform", "low": "0.5", "high": "0.99"}


def names(response: Any) -> list[str]:
    return [row.key for row in response.context["form"].rows]


@pytest.mark.parametrize(
    ("sign", "values", "left", "share"),
    [
        ("", "sgd", ["sgd"], "A third of the draws; otherwise momentum is not set."),
        ("not", "sgd", ["adam", "lion"], "Two thirds of the draws; otherwise"),
        ("", "sgd, adam, lion", ["sgd", "adam", "lion"], "All of the draws"),
    ],
)
def test_a_condition_says_in_how_many_draws_it_is_met(
    ada: Client, sign: str, values: str, left: list[str], share: str
) -> None:
    when = {"when": "optimizer", "when_is": sign, "when_values": values}
    fields = form([OPTIMIZER, {**MOMENTUM, **when}])
    assert preview(ada, fields)["rows"][1]["share"].startswith(share)
    assert send(ada, fields).status_code == 302
    stored = Sweep.objects.get().definition["search_space"]["momentum"]
    assert stored["when"] == {"optimizer": left}


def test_is_not_needs_a_choice(ada: Client) -> None:
    when = {"when": "x", "when_is": "not", "when_values": "1"}
    found = preview(ada, form([X, {**MOMENTUM, **when}]))["problems"]
    assert [each["field"] for each in found] == ["row-1-when_values"]
    assert "needs a choice" in found[0]["message"]


@pytest.mark.parametrize(
    ("choice", "values", "words"),
    [
        ("sgd, adam", "rmsprop", 'needs a value of optimizer, and "rmsprop" is none'),
        ("sgd, adam", "", "value"),
        ("sgd, 'adam", "sgd", "not closed"),
        (", ".join(map(str, range(201))), "1", "at most 200 values, and optimizer has"),
    ],
)
def test_is_not_says_which_values_it_cannot_leave_out(
    ada: Client, choice: str, values: str, words: str
) -> None:
    when = {"when": "optimizer", "when_is": "not", "when_values": values}
    rows = [{**OPTIMIZER, "values": choice}, {**MOMENTUM, **when}]
    found = preview(ada, form(rows))["problems"]
    assert (
        words in {each["field"]: each["message"] for each in found}["row-1-when_values"]
    )


def test_is_not_reads_the_other_choice_once(
    ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(text: str) -> list[JSONValue]:
        read.append(text)
        return read_values(text)

    monkeypatch.setattr(parameters, "read_values", counted)
    when = {"when": "optimizer", "when_is": "not", "when_values": "sgd"}
    rows = [{**MOMENTUM, **when, "name": f"x{n}"} for n in range(20)]
    preview(ada, form([OPTIMIZER, *rows]))
    assert read.count(OPTIMIZER["values"]) < 10


def test_a_preview_takes_time_by_the_rows_that_were_sent(
    ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(row: PartForm, name: str) -> str:
        read.append(name)
        return text(row, name)

    text = PartForm.text
    monkeypatch.setattr(PartForm, "text", counted)

    def reads(number: int) -> int:
        read.clear()
        preview(ada, form([{**X, "name": f"x{n}"} for n in range(number)]))
        return len(read)

    assert reads(80) < 2.2 * reads(40)
    assert len(preview(ada, {**form(), "row-TOTAL_FORMS": "1000"})["rows"]) == 1


def test_the_buttons_of_a_row_work_without_scripts(ada: Client) -> None:
    rows = [OPTIMIZER, {**MOMENTUM, "when": "optimizer", "when_values": "sgd"}, X]
    copied = send(ada, form(rows, do="copy:1"))
    assert names(copied) == ["optimizer", "momentum", "momentum_2", "x"]
    assert copied.context["form"].rows[2].text("when") == "optimizer"
    asked = send(ada, form(rows, do="when:2"))
    assert asked.context["rows"][2].shows_condition
    assert '<option value="momentum">momentum</option>' in page(asked)
    always = send(ada, form(rows, do="always:1"))
    assert not always.context["rows"][1].has_condition
    sampled = send(ada, form(rows, do="samples"))
    assert len(sampled.context["samples"].rows) == 10
    again = send(ada, form(rows, do="samples", samples="1")).context["samples"]
    assert again != sampled.context["samples"]
    assert (
        send(ada, form(rows, samples="3", do="no-samples")).context["samples"] is None
    )


def test_a_constraint_says_what_it_keeps(ada: Client) -> None:
    hidden = {"name": "hidden", "kind": "choice", "values": "16, 32, 64, 128, 256"}
    rules = {
        "constraint-TOTAL_FORMS": "1",
        "constraint-INITIAL_FORMS": "0",
        "constraint-0-rule": "hidden * batch_size <= 16384",
    }
    answer = preview(ada, form([hidden, BATCH], **rules))
    ((words, state),) = answer["rules"]
    assert words.startswith("keeps 9") and state == "good"
    rules["constraint-0-rule"] = "x < 0.02"
    answer = preview(ada, form([X], **rules))
    assert answer["rules"] == [["keeps 2 % of draws; " + _out(answer), "few"]]
    assert "The strictest is x < 0.02." in answer["rules_problem"]


def _out(answer: dict[str, Any]) -> str:
    return str(answer["rules"][0][0]).partition("; ")[2]


WANDB = """
program: train.py
method: bayes
metric: {name: val_loss, goal: minimize}
parameters:
  lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}
  batch: {values: [16, 32]}
"""
KATIB = """
apiVersion: kubeflow.org/v1beta1
kind: Experiment
spec:
  parameters:
    - name: lr
      parameterType: double
      feasibleSpace: {min: "0.01", max: "0.05"}
"""
NNI = '{"lr": {"_type": "loguniform", "_value": [0.0001, 0.1]}}'
OPTUNA = (
    '{"distributions": {"lr": {"name": "FloatDistribution", "attributes":'
    ' {"step": null, "low": 1e-05, "high": 0.1, "log": true}}}}'
)


@pytest.mark.parametrize(
    ("text", "tool", "rows", "sampler"),
    [
        (WANDB, "Weights & Biases", ["lr", "batch"], "bayesian"),
        (KATIB, "Katib", ["lr"], "random"),
        (NNI, "NNI", ["lr"], "random"),
        (OPTUNA, "Optuna", ["lr"], "tpe"),
    ],
)
def test_another_tools_file_fills_rows(
    ada: Client, text: str, tool: str, rows: list[str], sampler: str
) -> None:
    answer = send(ada, form([], do="paste", paste=text))
    assert names(answer) == rows
    assert answer.context["form"].picks["sampler"] == sampler
    assert any(tool in sentence for sentence in answer.context["left_out"])
    assert answer.context["form"].definition is not None


def test_a_broken_space_of_another_tool_is_refused(ada: Client) -> None:
    text = WANDB.replace("min: 0.0001", "min: many")
    answer = send(ada, form([X], do="paste", paste=text))
    assert names(answer) == ["x"]
    assert "parameters.lr" in " ".join(answer.context["page"].paste_problems)


def earlier(team: Team, trials: int = 40) -> None:
    """A sweep whose best trials have x near 0.5."""
    sweep = factories.sweep(team)
    for number in range(trials):
        x = random.Random(number).random()
        factories.trial(sweep, state="completed", params={"x": x}, value=-abs(x - 0.5))


def test_ranges_are_proposed_from_earlier_sweeps(ada: Client, physics: Team) -> None:
    earlier(physics)
    fields = form([X, OPTIMIZER])
    ranges = send(ada, {**fields, "do": "ranges"}).context["ranges"]
    assert ranges.sentence == "From the best quarter of 40 trials of 1 earlier sweep."
    (found,) = ranges.found
    assert (found.name, found.old, found.best) == ("x", "uniform 0 to 1", 10)
    taken = send(ada, {**fields, "ranges": "1", "do": "take:0"}).context["form"]
    low, high = (float(taken.rows[0].text(end)) for end in ("low", "high"))
    assert 0.2 < low < 0.5 < high < 0.8
    assert "Use it" in preview(ada, {**fields, "ranges": "1"})["ranges"]


def test_without_enough_earlier_trials_it_says_so(ada: Client, physics: Team) -> None:
    asked = form([X], do="ranges")
    assert "No earlier sweep of digits" in send(ada, asked).context["ranges"].sentence
    earlier(physics, trials=3)
    words = send(ada, asked).context["ranges"].sentence
    assert words.endswith("there are 3 trials of 1 earlier sweep.")
    nowhere = form([X], do="ranges", primary_metric="")
    assert send(ada, nowhere).context["ranges"].sentence.startswith("Enter the")


def test_a_condition_without_a_value_asks_for_it_and_nothing_is_drawn(
    ada: Client,
) -> None:
    kind = {"name": "optimizer", "kind": "choice", "values": "sgd, adam"}
    answer = preview(ada, form([kind, {**X, "when": "optimizer"}], sampler="tpe"))
    assert answer["rows"][1]["share"] == "Choose the value of optimizer."
    assert "as soon as the search space is valid" in answer["draws"]
    right = {**X, "when": "optimizer", "when_values": "sgd"}
    answer = preview(ada, form([kind, right], sampler="tpe"))
    assert answer["rows"][1]["share"].startswith("Half of the draws")
    assert "<table" in answer["draws"]
