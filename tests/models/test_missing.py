"""What an attempt's missing data says of names beyond the first."""

from __future__ import annotations

from experiments.models.missing import MAX_NAMES, MissingData, RefusedPoint, sentences


def test_names_that_are_not_listed_come_last_and_keep_their_reason() -> None:
    points = [RefusedPoint(f"m{n}", "name", "1,000 names") for n in range(MAX_NAMES)]
    more = [RefusedPoint(f"z{n}", "value", "not a number", str(n)) for n in range(99)]
    data = MissingData().with_refused(points).with_refused(more)
    read = MissingData.of(data.dump())
    assert sentences(read.names()) == [
        "20 points of \u201cm0\u201d, \u201cm1\u201d, \u201cm2\u201d and 17 more were"
        " refused: 1,000 names",
        "99 points of other names were refused: not a number; only the first names are"
        " listed",
    ]


def test_rows_from_before_have_no_reason() -> None:
    assert MissingData.of({"refused": [], "others": 3}).names()[0].reason == (
        "only the first names are listed"
    )
