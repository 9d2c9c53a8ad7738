"""The language of filters: what matches, and what is refused where."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.filters.columns import AnyColumn, RowTable, SeveralColumn
from experiments.search.filters.completion import complete
from experiments.search.filters.fields import FilterField, Vocabulary
from experiments.search.filters.lexer import FilterError
from experiments.search.filters.reader import parse_filter

NUMBER, TEXT = frozenset({"number"}), frozenset({"text"})
FIELDS = (
    FilterField(
        "state",
        "state",
        TEXT,
        values=("completed", "terminated", "failed"),
        closed=True,
    ),
    FilterField("is.failed", "failed", frozenset({"boolean"})),
    FilterField("took", "took", frozenset({"duration", "number"})),
    FilterField("started", "started", frozenset({"moment"})),
    FilterField("tags", "tag", TEXT, values=("my-tag", "two words"), several=True),
    FilterField("note", "note", TEXT),
    FilterField("p.lr", "lr", NUMBER, "parameter", detail="0.001 to 1, log"),
    FilterField("p.never", "p_never", TEXT, "parameter"),
    FilterField("p.lambda", "lambda", NUMBER, "parameter"),
    FilterField("p.note", "note", TEXT, "parameter"),
    FilterField("p.optimizer", "optimizer", TEXT, "parameter", values=("adam-w",)),
    FilterField("p.mixed", "mixed", TEXT | NUMBER, "parameter", values=("auto",)),
    FilterField("p.nesterov", "nesterov", frozenset({"boolean"}), "parameter"),
    FilterField("m.val/loss.last", "val/loss", NUMBER, "metric"),
    FilterField("m.val/loss.min", "val/loss.min", NUMBER, "metric"),
    FilterField("m.my loss.last", "my loss", NUMBER, "metric"),
)
VOCABULARY = Vocabulary.of(
    FIELDS, other_names={"param.lr": "p.lr", "param.note": "p.note"}
)
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
ROWS: list[dict[str, Any]] = [
    {
        **{"state": "completed", "took": 100.0, "tags": {"my-tag", "b"}},
        **{"note": "Hello World", "p.lr": 0.01, "p.lambda": 3, "p.optimizer": "sgd"},
        **{"p.nesterov": True, "p.mixed": 1, "started": NOON, "is.failed": False},
        **{"m.val/loss.last": 0.5, "m.val/loss.min": 0.1, "p.note": "x"},
    },
    {
        **{"state": "failed", "took": 1000.0, "p.lr": 0.5, "p.lambda": 0},
        **{"p.optimizer": "adam-w", "p.nesterov": False, "p.mixed": "auto"},
        **{"is.failed": True, "m.val/loss.last": 1.5, "m.my loss.last": 2.0},
    },
    {"state": "terminated", "is.failed": False},
]


class TableWithTags(RowTable):
    def column(self, key: str) -> AnyColumn:
        if key == "tags":
            return SeveralColumn.of([row.get(key, ()) for row in self.rows])
        return super().column(key)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", [0, 1, 2]),
        ("lr < 0.1", [0]),
        ("not p_never = x", [0, 1, 2]),
        ("lr<=0.01 and lr >= 0.001 AND state=Completed", [0]),
        ("lr != 0.01", [1]),
        ("not lr = 0.01", [1, 2]),
        ("not failed", [0, 2]),
        ("failed or tag = my-tag", [0, 1]),
        ("tag != b", [1, 2]),
        ("tag = failed or note = lr", []),
        ('tag = "two words"', []),
        ("tag in (b, c)", [0]),
        ("tag in (my-tag, never-seen/1.0)", [0]),
        ("took < 6m", [0]),
        ("took < 1m40.5s", [0]),
        ("took >= 100", [0, 1]),
        ("took < 2 h and lambda = 3", [0]),
        ("optimizer = adam-w", [1]),
        ("optimizer in (sgd, adam)", [0]),
        ("optimizer in sgd", [0]),
        ("optimizer not in [sgd]", [1]),
        ("mixed = auto or mixed = 1", [0, 1]),
        ("nesterov and val/loss * 2 < 3", [0]),
        ("val/loss.min < 1", [0]),
        ("0.001 ≤ lr ≤ 0.01", [0]),
        ("not_set(started)", [1, 2]),
        ("started", [0]),
        ("started > 2026-11-30", [0]),
        ("started < 2026-11-30T12:00", []),
        ('started <= "2026-11-30 12:00"', [0]),
        ("note contains WORLD", [0]),
        ('note not contains "o w"', []),
        ("param.note = x", [0]),
        ('"my loss" < 3', [1]),
        ("`my loss` < 3", [1]),
        ("-lr < -0.1", [1]),
        ("1 / lambda < 1", [0]),
        ("min(lr, took) < 0.1", [0]),
        ("lr < 1 and (state = failed or nesterov)", [0, 1]),
    ],
)
def test_rows_that_match(text: str, places: list[int]) -> None:
    mask = parse_filter(text, VOCABULARY).mask(TableWithTags(ROWS))
    assert np.flatnonzero(mask).tolist() == places


@pytest.mark.parametrize(
    ("text", "word", "sentence"),
    [
        ("lr <", "", 'Something is missing after "<".'),
        ("lr 0.1", "0.1", '"0.1" is not expected here; something is missing'),
        ("lrr < 1", "lrr", 'There is no name "lrr" here. Did you mean lr?'),
        ("state = complete", "complete", "Did you mean completed?"),
        ("lr < 6m", "6m", "lr is a number and 6m is a duration"),
        ("lr = sgd", "sgd", 'There is no name "sgd" here.'),
        ("lr < optimizer", "optimizer", "cannot be compared by size"),
        ("(lr < 1", "(lr < 1", "The bracket ( is not closed."),
        ("lr < 1)", ")", "There is no bracket that this ) closes."),
        ("lr < 1 && failed", "&", "use and"),
        ("and lr < 1", "and", 'A filter cannot begin with "and".'),
        ("lr", "lr", "lr is a number; this needs true or false"),
        ("lr in ()", ")", "There must be something between the brackets."),
        ('"abc', '"', "has no second one"),
        ("foo(3) < 1", "(", "is not expected here"),
        ("started > 2026-13-01", "2026-13-01", "is not a moment"),
        ("optimizer = 5abc", "5abc", "Text needs quotation marks"),
        ("not_set(3)", "not_set(3)", "not_set takes one name"),
        ("lr contains 3", "lr", "lr is a number; this needs text"),
        ("took < 1e400d", "1e400d", '"1e400d" is too large; up to 1.8e+308'),
        ("took < 9e307d", "9e307d", "is too large"),
        ("lr > 1e400", "1e400", "is too large"),
        ("lr in (1, 1e400)", "1e400", "is too large"),
        (f"took < {'9' * 400}d", "9" * 400 + "d", "is too large"),
        (f"lr < {'9' * 400}", "9" * 400, "is too large"),
    ],
)
def test_what_is_refused_and_where(text: str, word: str, sentence: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text, VOCABULARY)
    assert sentence in caught.value.message
    assert text[caught.value.start : caught.value.end] == word


def test_a_filter_that_is_too_long_is_refused() -> None:
    with pytest.raises(FilterError, match="2,000 are allowed"):
        parse_filter("lr < 1 and " * 200 + "lr < 1", VOCABULARY)


@pytest.mark.parametrize("text", ["11m" * 600 + "x", "1" * 1999 + "x", "1.1s" * 450])
def test_long_digits_are_read_in_little_time(text: str) -> None:
    started = time.process_time()
    with pytest.raises(FilterError):
        parse_filter(text, VOCABULARY)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("text", ["(" * 900 + "lr < 1" + ")" * 900, "not " * 400])
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse_filter(text + " lr < 1", VOCABULARY)


def test_conditions_are_what_and_joins() -> None:
    text = "lr >= 0.001 and optimizer in (sgd, adam-w) and lr <= 0.01 and not failed"
    bounds, chosen, other = parse_filter(text, VOCABULARY).conditions
    assert (bounds.kind, bounds.low, bounds.high) == ("range", 0.001, 0.01)
    assert bounds.text == "lr >= 0.001 and lr <= 0.01"
    assert bounds.without == "optimizer in (sgd, adam-w) and not failed"
    assert (chosen.kind, chosen.values) == ("values", ("sgd", "adam-w"))
    assert (other.kind, other.text) == ("other", "not failed")


def test_a_name_that_is_a_value_is_text() -> None:
    [found] = parse_filter("state in (failed, completed)", VOCABULARY).conditions
    assert (found.kind, found.values) == ("values", ("failed", "completed"))


def test_what_or_joins_is_one_condition() -> None:
    [found] = parse_filter("lr < 1 and nesterov or failed", VOCABULARY).conditions
    assert found.kind == "other"


@pytest.mark.parametrize(
    ("text", "low", "high", "is_open"),
    [
        ("lr > 0.1", 0.1, None, True),
        ("0.1 < lr <= 1", 0.1, 1, True),
        ("-0.5 <= lr", -0.5, None, False),
        ("took >= 2m", 120, None, False),
    ],
)
def test_ranges(text: str, low: float, high: float | None, is_open: bool) -> None:
    [found] = parse_filter(text, VOCABULARY).conditions
    assert (found.kind, found.low, found.high) == ("range", low, high)
    assert found.low_open == is_open


@pytest.mark.parametrize(
    ("text", "inserts"),
    [
        ("opt", ["optimizer"]),
        ("state = f", ["failed"]),
        ("optimizer = ", ['"adam-w"']),
        ("optimizer in (sgd, ", ['"adam-w"']),
        ("lr < 1 a", ["and"]),
        ("lr ", ["<", "<=", ">", ">=", "=", "!=", "in"]),
        ("not fai", ["failed"]),
        ("my", ["`my loss`", 'tag = "my-tag"']),
        ("lr < ", []),
        ('note = "x', []),
    ],
)
def test_what_may_follow(text: str, inserts: list[str]) -> None:
    found = complete(text, len(text), VOCABULARY)
    assert [offer.insert for offer in found.offers] == inserts


@given(
    st.text(
        alphabet=st.sampled_from("lr<=>0.1 ()andorti\"'`,:é²\0\n-*/ms[]🙂"), max_size=40
    )
)
def test_any_text_is_read_or_refused_at_a_place(text: str) -> None:
    try:
        assert len(parse_filter(text, VOCABULARY).mask(TableWithTags(()))) == 0
    except FilterError as error:
        assert 0 <= error.start <= error.end <= len(text)
        assert error.message.endswith((".", "?"))
    complete(text, len(text) // 2, VOCABULARY)
