"""The table of trials: its order, its cells and its curves."""

from __future__ import annotations

import pytest
from django.http import QueryDict
from django.utils import timezone

from experiments.models import Sweep
from experiments.models.trials import TrialState
from experiments.pages.sweep.answers import answers_of, trial_table
from experiments.pages.sweep.sparklines import SparkScale
from experiments.pages.sweep.summary import sweep_summary
from experiments.pages.sweep.trial_cells import (
    padded,
    parameter_column,
    value_column,
)
from experiments.pages.sweep.trial_table import FEW, TableQuery, TableRows
from experiments.pages.trial_rows import report_curves, trial_rows
from tests import factories

pytestmark = pytest.mark.django_db

SPACE = {
    "lr": {"type": "loguniform", "min_value": -9.2, "max_value": -2.3},
    "optimizer": {"type": "choice", "values": ["sgd", "adam"]},
}


def made_sweep(**fields: object) -> Sweep:
    document = factories.definition_document(search_space=SPACE)
    document["trial"] = {"command": "python train.py"}
    return factories.sweep(factories.team(), document=document, **fields)


def table_query(sweep: Sweep, query: str = "", *, few: bool = True) -> TableQuery:
    return TableQuery(sweep, QueryDict(query), few=few)


def numbers(sweep: Sweep, query: str = "") -> list[int]:
    """Of the first rows, the best one on top."""
    asked = table_query(sweep, query)
    places = TableRows(asked).few(FEW)
    found: list[int] = asked.columns.data.numbers[places].tolist()
    return found


def filled(**fields: object) -> Sweep:
    sweep = made_sweep(**fields)
    for lr, optimizer, value, state in (
        (0.1, "sgd", 0.5, "completed"),
        (0.001, "adam", 0.9, "completed"),
        (0.02, "sgd", 0.7, "terminated"),
        (0.003, "adam", None, "running"),
    ):
        params = {"lr": lr, "optimizer": optimizer}
        factories.trial(sweep, state=state, value=value, params=params)
    return sweep


def test_while_it_runs_the_newest_trials_come_first_below_the_best() -> None:
    assert numbers(filled()) == [1, 3, 2, 0]


def test_once_it_has_ended_trials_are_sorted_by_value() -> None:
    assert numbers(filled(state="completed")) == [1, 2, 0, 3]


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
@pytest.mark.parametrize("way", ["", "-"])
def test_failed_trials_come_after_all_others_by_value(goal: str, way: str) -> None:
    sweep = made_sweep(goal=goal)
    for value in (0.0, 0.5, 1.0):
        for state in ("failed", "completed"):
            factories.trial(sweep, state=state, value=value, params={"lr": 0.1})
    factories.trial(sweep, state="running", params={"lr": 0.1})
    assert numbers(sweep, f"sort={way}value")[3:] == [0, 2, 4, 6]


def test_any_column_sorts_either_way() -> None:
    sweep = filled()
    assert numbers(sweep, "sort=p.lr") == [1, 3, 2, 0]
    assert numbers(sweep, "sort=-p.lr") == [1, 0, 2, 3]
    assert numbers(sweep, "sort=number") == [1, 0, 2, 3]
    assert numbers(sweep, "sort=value") == [1, 0, 2, 3]
    assert numbers(sweep, "sort=-accuracy") == [1, 2, 0, 3]
    assert numbers(sweep, "sort=p.optimizer,-p.lr") == [1, 3, 0, 2]
    assert numbers(sweep, "sort=state") == [1, 3, 0, 2]


def test_an_unknown_column_is_as_if_none_was_asked_for() -> None:
    assert table_query(filled(), "sort=p.__class__").sort == "-number"


def test_a_state_filters_the_best_away_too() -> None:
    sweep = filled()
    assert numbers(sweep, "state=terminated") == [2]
    assert numbers(sweep, "state=completed") == [1, 0]
    assert numbers(sweep, "state=nonsense") == [1, 3, 2, 0]


def test_a_filter_chooses_rows_and_a_wrong_one_changes_nothing() -> None:
    sweep = filled()
    assert numbers(sweep, "q=lr > 0.01 and not running") == [2, 0]
    wrong = table_query(sweep, "q=lrr > 1")
    assert wrong.error is not None
    assert len(TableRows(wrong)) == 4


def test_a_column_head_turns_the_order_round_and_keeps_the_filter() -> None:
    query = table_query(filled(), "q=completed&sort=-number&page=3")
    heads = {head.column.key: head for head in query.heads}
    assert heads["number"].sorted == "descending"
    assert heads["number"].url == "?q=completed&sort=number"
    assert heads["value"].url == "?q=completed&sort=-value"
    assert heads["curve"].url == ""


def test_a_chip_replaces_the_condition_of_a_state() -> None:
    query = table_query(filled(), "q=lr < 1 and state = failed")
    counts = dict.fromkeys(TrialState, 1)
    chips = {chip.state: chip for chip in query.chips(counts)}
    assert chips["failed"].picked
    assert chips[""].url == "?q=lr+%3C+1"
    assert chips["completed"].url == "?q=lr+%3C+1+and+state+%3D+completed"


def test_a_chip_beside_an_or_chooses_among_its_rows() -> None:
    query = table_query(filled(), "q=lr < 0.002 or lr > 0.05")
    chips = {chip.state: chip for chip in query.chips(dict.fromkeys(TrialState, 1))}
    assert chips[""].url == "?q=lr+%3C+0.002+or+lr+%3E+0.05"
    assert numbers(query.sweep, chips["terminated"].url.removeprefix("?")) == []
    assert numbers(query.sweep, chips["completed"].url.removeprefix("?")) == [1, 0]


def test_numbers_of_a_column_stand_with_their_points_in_line() -> None:
    assert padded("0.5", 5) == "0.5" + "\u2007" * 3
    assert padded("128", 3) == "128\u2008\u2007\u2007"
    assert padded("\u2013", 3) == "\u2013"


def test_a_parameter_that_a_trial_does_not_have_is_not_set() -> None:
    numeric, params = {"lr": True, "opt": False}, {"lr": 0.012345678}
    ((lr,), _), ((opt,), _) = (
        parameter_column(name, [params], numeric) for name in numeric
    )
    assert (lr.text, lr.exact) == ("0.01235", "0.012345678")
    assert (opt.text, opt.unset) == ("not set", True)


def test_sparklines_share_one_scale_and_better_is_up() -> None:
    up = SparkScale(10, 0.0, 10.0, stretched=False, maximizes=True)
    down = SparkScale(10, 0.0, 10.0, stretched=False, maximizes=False)
    curve = [[1, 2.0], [2, None], [5, 8.0]]
    high, low = up.draw(curve), down.draw(curve)
    assert high is not None
    assert low is not None
    assert high.path.startswith("M3 ")
    assert high.path.count("L") == 1
    assert high.x == low.x < 93
    assert high.y < low.y
    assert up.draw([[1, None]]) is None


def test_rows_cost_the_same_however_many_there_are(
    django_assert_max_num_queries: object,
) -> None:
    sweep = made_sweep()
    counts = []
    trial_table(sweep_summary(sweep, now=timezone.now()), table_query(sweep))
    for _ in range(2):
        for _ in range(4):
            factories.trial(sweep, state="completed", value=0.5, params={"lr": 0.1})
        sweep = Sweep.objects.select_related("experiment__team").get(pk=sweep.pk)
        with django_assert_max_num_queries(30) as queries:  # type: ignore[operator]
            summary = sweep_summary(sweep, now=timezone.now())
            trial_table(summary, table_query(sweep))
            answers_of(summary, QueryDict(), steers=False).html()
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_long_curve_is_thinned_and_keeps_both_ends() -> None:
    sweep = made_sweep(early_termination=None)
    values = [k / 1000 for k in range(500)]
    trial = factories.reported_trial(sweep, values, params={"lr": 0.1})
    curve = report_curves([trial.pk], most=50)[trial.pk]
    assert len(curve) == 50
    assert (curve[0][0], curve[-1][0]) == (1, 500)


def test_a_wide_curve_also_has_step_and_seconds() -> None:
    sweep = made_sweep()
    trial = factories.trial(sweep, params={"lr": 0.1})
    factories.claim(trial)
    factories.report(trial, [0.5, 0.6], first_step=100)
    points = report_curves([trial.pk], wide=True)[trial.pk]
    assert [point[2] for point in points] == [100, 101]
    assert all(point[3] is not None and point[3] >= 0 for point in points)


def test_the_best_trial_says_how_many_it_was_chosen_from() -> None:
    sweep = filled()
    trials = list(sweep.trials.select_related("current_attempt"))
    best = sweep_summary(sweep, now=timezone.now()).best
    assert best is not None
    rows = trial_rows(sweep, trials, now=timezone.now(), best_id=best.pk, of=4)
    sentences = {row["number"]: row["status"] for row in rows}
    assert sentences[1] == "Ran to the end; best of 4"
    assert sentences[0] == "Ran to the end"


def test_an_early_end_says_what_it_fell_short_of() -> None:
    document = factories.definition_document(
        early_termination={"type": "median_stopping", "delay_evaluation": 2}
    )
    sweep = factories.sweep(factories.team(), document=document)
    factories.reported_trial(sweep, [0.9, 0.95], state="completed")
    poor = factories.reported_trial(sweep, [0.1, 0.2], state="terminated")
    (row,) = trial_rows(sweep, [poor], now=timezone.now(), best_id=None)
    assert row["status"] == "Median stopping at report 2: 0.200 was below 0.925"


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ({"type": "asha", "reduction_factor": 2}, "ASHA at report 1: 0.100 was below"),
        (
            {"type": "predictive_halving", "min_resource": 2},
            "Predictive halving at report 2: 0.200 was below 0.950",
        ),
        (
            {"type": "threshold", "value": 0.5, "by_report": 2},
            "Threshold at report 2: its best 0.2 has not reached 0.5",
        ),
        (
            {"type": "any_of", "policies": [{"type": "asha"}, {"type": "predictive"}]},
            "Ended at report",
        ),
    ],
)
def test_each_policy_says_in_its_own_terms_why_it_ended_a_trial(
    policy: dict[str, object], sentence: str
) -> None:
    document = factories.definition_document(early_termination=policy)
    sweep = factories.sweep(factories.team(), document=document)
    for _ in range(3):
        factories.reported_trial(sweep, [0.9, 0.95], state="completed")
    poor = factories.reported_trial(sweep, [0.1, 0.2], state="terminated")
    (row,) = trial_rows(sweep, [poor], now=timezone.now(), best_id=None)
    assert row["status"].startswith(sentence)


def test_values_in_bytes_are_sizes() -> None:
    cells, _ = value_column([2.5e9, None], "system/memory")
    assert [cell.text for cell in cells] == ["2.5 GB", "\u2013"]
    assert cells[0].exact == "2500000000.0"
    assert value_column([0.5], "accuracy")[0][0].text == "0.5000"
