"""The search grammar, without a database."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from experiments.mlflow.errors import MlflowError
from experiments.mlflow.filters import (
    OrderKey,
    ordered,
    page_start,
    page_token,
    parse_filter,
    parse_orders,
)
from experiments.mlflow.search import ATTRIBUTES

ROW = {
    ("metric", "loss"): 0.5,
    ("metric", "val/acc top.1"): 1e-3,
    ("metric", "nan"): math.nan,
    ("metric", "inf"): math.inf,
    ("param", "lr"): "0.1",
    ("param", "o'name"): "it's",
    ("tag", "mlflow.runName"): "First_100%",
    ("attribute", "status"): "FINISHED",
    ("attribute", "run_id"): "abc",
    ("attribute", "run_name"): "a AND b",
    ("attribute", "start_time"): 1_000,
    ("dataset", "name"): ["one", "two"],
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("metrics.loss < 1", True),
        ("metric.loss<=.5 AND metrics.loss >= 5e-1", True),
        ("metrics.loss != 0.5", False),
        ("metrics.`val/acc top.1` = 0.001", True),
        ('metrics."val/acc top.1" > -1', True),
        ("metrics.nan > 0", False),
        ("metrics.inf > 1e308", True),
        ("metrics.none < 1", False),
        ("metrics.none != 1", False),
        ("params.lr = '0.1'", True),
        ('params.lr = "0.1"', True),
        ("parameters.lr LIKE '0.%'", True),
        ("params.lr like '0_1' and params.none IS NULL", True),
        ("params.lr IS NOT NULL", True),
        ("params.\"o'name\" = 'it''s'", True),
        ("tags.mlflow.runName = 'First_100%'", True),
        ("tags.`mlflow.runName` ILIKE 'first%'", True),
        ("tags.mlflow.runName LIKE 'first%'", False),
        ("attributes.status = 'FINISHED'", True),
        ("status != 'FINISHED'", False),
        ("run_id IN ('x', 'abc')", True),
        ("attribute.run_id NOT IN ('x', \"abc\")", False),
        ("attributes.run_name = 'a AND b'", True),
        ("start_time > 999 AND attributes.`start_time` < 1001", True),
        ("dataset.name = 'two'", True),
        ("datasets.name IN ('three')", False),
        ("  metrics.loss\n=\t0.5  ", True),
    ],
)
def test_filters(text: str, holds: bool) -> None:
    clauses = parse_filter(text, ATTRIBUTES)
    assert all(c.holds(ROW.get((c.kind, c.key))) for c in clauses) is holds


@pytest.mark.parametrize(
    "text",
    [
        *("metrics", "metrics.a", "metrics.a =", "= 1", "metrics.a = 1 AND"),
        *("metrics.a = 1 OR metrics.b = 2", "AND metrics.a = 1", "metrics.a = 1 2"),
        *("metrics.a = 1;", "NOT metrics.a = 1", "(metrics.a = 1)", "metrics.a = 1e"),
        *("params.a = b", "params.a = 1", "params.a IN ('x')", "params.a = 'x"),
        *("run_id IN ()", "run_id IN 'x'", "run_id IN (x)", "run_id IN ('x' y)"),
        *("start_time = 'x'", "dataset.what = 'x'", "metrics.a LIKE '1'", "x.y = 'z'"),
        "metrics.a = 1 AND AND metrics.b = 2",
    ],
)
def test_what_is_not_a_filter(text: str) -> None:
    with pytest.raises(MlflowError) as refused:
        parse_filter(text, ATTRIBUTES)
    assert refused.value.code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    ("way", "expected"),
    [("ASC", "-inf -1 0 inf nan None"), ("DESC", "inf 0 -1 -inf nan None")],
)
def test_nan_and_what_is_missing_come_last(way: str, expected: str) -> None:
    (order,) = parse_orders([f"metrics.loss {way}"], ATTRIBUTES)
    rows: list[Any] = [None, math.nan, 0, math.inf, -math.inf, -1]
    found = ordered(rows, [order], lambda row, _: row)
    assert " ".join(map(str, found)) == expected


def test_orders_one_after_another() -> None:
    orders = parse_orders(["params.`a b` DESC", "start_time"], ATTRIBUTES)
    assert orders == [
        OrderKey("param", "a b", False),
        OrderKey("attribute", "start_time", True),
    ]
    rows = [("x", 2), ("y", 2), ("x", 1), ("y", 1)]
    found = ordered(rows, orders, lambda row, order: row[order.kind == "attribute"])
    assert found == [("y", 1), ("y", 2), ("x", 1), ("x", 2)]
    with pytest.raises(MlflowError, match="duplicate"):
        parse_orders(["status", "attributes.status DESC"], ATTRIBUTES)


def test_page_tokens() -> None:
    assert page_start(page_token(17)) == 17
    for wrong in ("x", "e30=", page_token(-1)):
        with pytest.raises(MlflowError):
            page_start(wrong)


@pytest.mark.parametrize(
    ("pattern", "text", "holds"),
    [
        ("a%b%c", "aXbYc", True),
        ("a%b%c", "abcbc", True),
        ("a%b%c", "acb", False),
        ("%a%", "xax", True),
        ("a%a", "a", False),
        ("_%_", "a", False),
        ("%ab_", "ababx", True),
        ("%%", "", True),
        ("a.c", "abc", False),
    ],
)
def test_patterns(pattern: str, text: str, holds: bool) -> None:
    (clause,) = parse_filter(f"tags.t LIKE '{pattern}'", ATTRIBUTES)
    assert clause.holds(text) is holds


def test_no_filter_takes_long() -> None:
    began = time.process_time()
    for filter_text in (
        "attributes.run_name IN (" + "'" * 5_000,
        "attributes.run_name IN (" + "'a'" * 5_000,
        "tags.a = " + "'" * 5_001 + " x",
    ):
        with pytest.raises(MlflowError):
            parse_filter(filter_text, ATTRIBUTES)
    (clause,) = parse_filter(f"tags.t LIKE '{'%a' * 50}%b'", ATTRIBUTES)
    assert not clause.holds("a" * 8_000)
    assert time.process_time() - began < 2
