from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.space.constraints import parse_constraint
from experiments.search.space.distribution import KINDS
from experiments.search.space.source import ExpressionError
from tests.in_time import in_time

KNOWN = {
    "a": ["number"],
    "b": ["number"],
    "opt": ["text"],
    "flag": ["boolean"],
    "maybe": ["null", "number"],
    "list": ["list", "number"],
    "net.layers": ["number"],
    "net.inner.x": ["number"],
    "net": ["mapping", "null"],
    "lambda": ["number"],
    "net.class": ["text"],
}
PARAMS = {
    "a": 3,
    "b": 0.5,
    "opt": "sgd",
    "flag": True,
    "maybe": None,
    "list": [1, 2],
    "net": {"layers": 4, "inner": {"x": 2}, "class": "lambda"},
    "lambda": 1,
}


def meets(text: str, **changes: object) -> bool:
    return parse_constraint(text, KNOWN).meets({**PARAMS, **changes})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a * 2 <= 6", True),
        ("a*b<1", False),
        ("a + b - 1 == 2.5", True),
        ("a / 2 == 1.5 and a // 2 == 1 and a % 2 == 1", True),
        ("-a < -2 and +a > 2", True),
        ("-2 ** 2 + a == -1", True),
        ("a ** 2 == 9", True),
        ("2 ** -a == 0.125", True),
        ("1 <= a < b or a > 2", True),
        ("1 <= a < b", False),
        ("not a == 3", False),
        ("a != 3", False),
        ("a == 3.0", True),
        ("opt == 'sgd'", True),
        ('opt != "sgd"', False),
        ("opt in ('adam', 'sgd')", True),
        ("opt in ['adam']", False),
        ("opt not in ['adam']", True),
        ("a in (1, 2 + 1)", True),
        ("flag", True),
        ("not flag or a == 2", False),
        ("flag == true and flag != False", True),
        ("maybe == null", True),
        ("maybe == None or maybe < 2", True),
        ("maybe != null", False),
        ("min(a, 5, b) == b", True),
        ("max(a, b) == a and abs(-a) == a", True),
        ("net.layers == a + 1", True),
        ("net == null or net.layers < 5", True),
        ("(a\n <= 3)", True),
        ("  a <= 3  ", True),
        ("lambda*2 == 2 and net.class == 'lambda' and 'class' != opt", True),
    ],
)
def test_a_constraint_means_what_it_says(text: str, expected: bool) -> None:
    assert meets(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "a / (a - 3) > 0",
        "a % (a - 3) >= 0",
        "a ** 100000 > 0",
        "(0 - a) ** 0.5 > 0",
        "maybe < 1",
        "maybe + 1 < 100",
        "max(maybe, 1) > 0",
        "list > 0",
        "1e308 * a > 0",
    ],
)
def test_what_has_no_finite_result_is_not_met(text: str) -> None:
    assert not meets(text)
    assert not meets(f"not {text}")


def test_the_second_half_is_not_looked_at_where_the_first_decides() -> None:
    assert meets("maybe == null or maybe < 1")
    assert not meets("maybe != null and maybe < 1")


def test_a_constraint_on_what_is_not_active_does_not_apply() -> None:
    rule = parse_constraint("opt == 'adam' and b > 3", KNOWN)
    assert not rule.meets(PARAMS)
    assert rule.meets({"opt": "sgd"})
    inner = parse_constraint("net.inner.x > 5", KNOWN)
    assert not inner.meets(PARAMS)
    assert inner.meets({"net": {"layers": 4}})
    assert inner.meets({"net": None})


def test_whole_numbers_are_exact() -> None:
    assert meets("a * 10 + 1 == 90071992547409931", a=9007199254740993)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "must not be empty. An example is layers * batch_size <= 256"),
        (" \n ", 1, "must not be empty"),
        ("a <", 4, "something is missing at the end"),
        ("a in [1, 2] in [3]", 6, "A list must be the end of a comparison"),
        ("a in [1, 2] == true", 6, "A list must be the end of a comparison"),
        ("a => 3", 3, '"=>" is not expected here'),
        (f"a < {'9' * 1000}", 5, "neither a finite number nor text"),
        ("a < 3)", 6, "unmatched"),
        ("a = 3", 3, '"=" is not expected here; use == to compare values'),
        ("a", 1, "a is a number; this needs true or false"),
        ("a and flag", 1, "this needs true or false"),
        ("a + opt < 3", 5, "opt is text; this needs a number"),
        ("flag * 2 < 3", 1, "flag is true or false; this needs a number"),
        ("opt < 3", 1, "opt is text"),
        ("a == 'x'", 6, "a never has the type of 'x'"),
        ("opt in (1, 2)", 8, "never has the type"),
        ("a in 3", 6, "in needs a list"),
        ("opt in 'sgd'", 8, "in needs a list"),
        ("a in ()", 6, "in needs a list"),
        ("a is 3", 1, "not with is"),
        ("layers < 3", 1, 'no parameter "layers"'),
        ("a < ad", 5, "did you mean a?"),
        ("opt == sgd", 8, "Text needs quotation marks"),
        ("net.layer < 3", 1, "did you mean net.layers?"),
        ("a.real < 3", 1, 'no parameter "a.real"'),
        ("f(a).x < 3", 1, "Only the name of a nested choice"),
        ("1 < 2", 1, "must name a parameter"),
        ("9 ** 9 ** 9 < a", 1, "no finite result"),
        ("1 / 0 < a", 1, "no finite result"),
        ("1e999 < a", 1, "neither a finite number nor text"),
        ("1j < a", 1, "neither a finite number nor text"),
        ("b'x' == opt", 1, "neither a finite number nor text"),
        ("abs(a, b) < 3", 1, "abs takes one number"),
        ("min(a) < 3", 1, "min takes two numbers or more"),
        ("max() < a", 1, "max takes two numbers or more"),
        ("max(a, key=b) < 3", 1, "max takes"),
        ("max(*a) < 3", 1, "max takes"),
        ("pow(a, 2) < 3", 1, "Only numbers"),
        ("a if flag else b", 1, "Only numbers"),
        ("a[0] < 1", 1, "Only numbers"),
        ("(a := 3) < 1", 2, "Only numbers"),
        ("[x for x in a] == 1", 1, "Only numbers"),
        ("lambda + opt < 3", 10, "opt is text"),
        ("flag == lambda", 9, "type of lambda"),
        ("def + a < 3", 1, 'no parameter "def"'),
        ("f'{a}' == opt", 1, "Only numbers"),
        ("a & 1 == 1", 1, "can combine numbers"),
        ("a << 3 > 1", 1, "can combine numbers"),
        ("a @ b > 1", 1, "can combine numbers"),
        ("~a > 1", 1, "Only numbers"),
        ("__import__('os').system('touch /tmp/owned')", 1, "Only numbers"),
        ("a.__class__ == 1", 1, "no parameter"),
        ("é < a + bb", 9, "no parameter"),
        ("x" * 3000, 1, "up to 2,000"),
    ],
)
def test_a_bad_constraint_is_refused_at_its_place(
    text: str, column: int, words: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_constraint(text, {**KNOWN, "é": ["number"]})
    assert words in str(caught.value)
    assert (caught.value.line, caught.value.column) == (1, column)


HOSTILE = {
    "powers": "9**9**9**9**9 < a",
    "products": "9**99 * " * 200 + "a < 1",
    "sums": "1+" * 990 + "'a' < 1",
    "parentheses": "(" * 1900,
    "closed parentheses": "(" * 900 + "a" + ")" * 900,
    "signs": "-" * 1900 + "a",
    "nots": "not " * 400 + "flag",
    "dots": "a" + ".a" * 900 + " < 1",
    "digits": "9" * 1900 + " < a",
    "exponent": "1e" + "9" * 1900 + " < a",
    "repetition": "'a' * 10**10 == opt",
    "comparisons": "a < " * 400,
    "calls": "abs(" * 450 + "a" + ")" * 450,
    "attributes": "().__class__.__base__.__subclasses__() == a",
    "nul": "a\0 < 3",
    "surrogate": "a < '\ud800'",
    "carriage return": "a <\r\r\r oops",
    "form feed": "\fa\f<\foops",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_within_a_second(name: str) -> None:
    def refused() -> str:
        with pytest.raises(ExpressionError) as caught:
            parse_constraint(HOSTILE[name], KNOWN)
        return str(caught.value)

    assert len(in_time(1, refused)) < 500


def test_a_long_sum_is_no_deep_one() -> None:
    rule = parse_constraint("a + " * 480 + "a + 1 <= 482", KNOWN)
    assert rule.meets({"a": 1}) and not rule.meets({"a": 1.01})


PIECES = st.sampled_from(
    [
        *KNOWN,
        *("+", "-", "*", "/", "//", "%", "**", "<", "<=", "==", "!=", "in", "not in"),
        *("and", "or", "not", "(", ")", "[", "]", ",", ".", "min(", "abs(", "=", ":="),
        *("1", "0", "2.5", "1e300", "'sgd'", '"', "'", "true", "null", "None", "is"),
        *("lambda", "if", "else", "for", "\n", "\\", "#", "{", "}", "await", "@", "é"),
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=40)
VALUES = st.fixed_dictionaries(
    {
        "a": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "b": st.floats(-5, 5),
        "opt": st.text(max_size=3),
        "flag": st.booleans(),
        "maybe": st.none() | st.integers(-2, 2),
    }
)


@given(text=TEXTS, params=VALUES)
def test_any_text_is_read_or_refused_and_then_judges_any_values(
    text: str, params: dict[str, object]
) -> None:
    def read() -> None:
        try:
            rule = parse_constraint(text, KNOWN)
        except ExpressionError as error:
            assert error.message and error.line >= 1 and error.column >= 1
        else:
            assert rule.meets(params) in (True, False)  # type: ignore[arg-type]
            assert parse_constraint(rule.text, KNOWN) == rule

    in_time(1, read)


def test_every_kind_of_value_has_words() -> None:
    assert all(kind in KINDS for kinds in KNOWN.values() for kind in kinds)
