from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.search.space.expressions import Call, parse_call, parse_space
from experiments.search.space.source import ExpressionError
from tests.in_time import in_time

# Of the processor's time; each of the hostile texts takes some milliseconds.
SECONDS = 1.0
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("choice(16, 32, 64, 128)", (16, 32, 64, 128)),
        ("choice(\"sgd\", 'adam')", ("sgd", "adam")),
        ("choice([1, 2])", ([1, 2],)),
        ("choice([[1, 2], [3]])", ([[1, 2], [3]],)),
        ("choice((1, 2))", ([1, 2],)),
        ("choice(range(1, 5))", ([1, 2, 3, 4],)),
        ("choice(range(0, 10, 5))", ([0, 5],)),
        ("choice(True, False, None)", (True, False, None)),
        ("choice(true, false, null)", (True, False, None)),
        ("normal(10, 3)", (10, 3)),
        ("  uniform( -0.05 , +1e-1 ) ", (-0.05, 0.1)),
        ("loguniform(-6, -1)", (-6, -1)),
        ("uniform(10**-4, 1/4)", (1e-4, 0.25)),
        ("uniform(-(2 + 3) * 2, 0)", (-10, 0)),
        ("x = uniform(0, 1)", (0, 1)),
        ("uniform(\n  0,\n  1,\n)", (0, 1)),
        ('choice("é")', ("é",)),
    ],
)
def test_a_call_is_read(text: str, args: tuple[object, ...]) -> None:
    call = parse_call(text)
    assert repr(call.args) == repr(args) or call.args == pytest.approx(args)
    assert call.keywords == {}


def test_arguments_may_have_names() -> None:
    call = parse_call("uniform(max_value=0.1, min_value=0.05)")
    assert call == Call("uniform", (), {"max_value": 0.1, "min_value": 0.05})


ARTICLE = [
    (
        """
    {
    "batch_size": choice(16, 32, 64, 128)
    }
""",
        {"batch_size": Call("choice", (16, 32, 64, 128))},
        None,
    ),
    (
        """    {
    "learning_rate": normal(10, 3),
    "keep_probability": uniform(0.05, 0.1)
    }""",
        {
            "learning_rate": Call("normal", (10, 3)),
            "keep_probability": Call("uniform", (0.05, 0.1)),
        },
        None,
    ),
    (
        """param_sampling = RandomParameterSampling( {
        "learning_rate": normal(10, 3),
        "keep_probability": uniform(0.05, 0.1),
        "batch_size": choice(16, 32, 64, 128)
    }
)
""",
        {
            "learning_rate": Call("normal", (10, 3)),
            "keep_probability": Call("uniform", (0.05, 0.1)),
            "batch_size": Call("choice", (16, 32, 64, 128)),
        },
        "random",
    ),
    (
        """param_sampling = GridParameterSampling( {
        "num_hidden_layers": choice(1, 2, 3),
        "batch_size": choice(16, 32)
    }
)""",
        {
            "num_hidden_layers": Call("choice", (1, 2, 3)),
            "batch_size": Call("choice", (16, 32)),
        },
        "grid",
    ),
    (
        'GridParameterSampling(parameter_space={"a": choice(1)}, properties=None)',
        {"a": Call("choice", (1,))},
        "grid",
    ),
    (
        'BayesianParameterSampling({"--lr": uniform(0, 1)})',
        {"--lr": Call("uniform", (0, 1))},
        "bayesian",
    ),
    (
        '{"a": ["uniform", [0, 1]], "b": {"type": "choice", "values": [true, null]}}',
        {"a": ["uniform", [0, 1]], "b": {"type": "choice", "values": [True, None]}},
        None,
    ),
]


@pytest.mark.parametrize(("text", "parameters", "sampling"), ARTICLE)
def test_a_whole_space_is_read_as_articles_print_it(
    text: str, parameters: dict[str, object], sampling: str | None
) -> None:
    space = parse_space(text)
    assert space.parameters == parameters
    assert list(space.parameters) == list(parameters)
    assert space.sampling == sampling


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("choice(1, 2", 1, 7, "never closed"),
        ("choice(sgd)", 1, 8, 'choice("sgd")'),
        ('choice("é", adam)', 1, 13, "adam has no meaning"),
        ("3", 1, 1, "must be a distribution"),
        ("math.log(2)", 1, 1, "bare name"),
        ("hyperdrive.choice(1, 2)", 1, 1, "bare name"),
        ("uniform(0, max(1, 2))", 1, 12, "Only numbers"),
        ("uniform(0, 1) + 1", 1, 1, "Only numbers"),
        ("uniform(0, 10**400)", 1, 12, "not a finite number"),
        ("uniform(0, 1e999)", 1, 12, "not a finite number"),
        ("uniform(0, 1 % 2)", 1, 12, "Only + - * / and ** can"),
        ('uniform(0, -"a")', 1, 13, 'not "a"'),
        ("choice('x' * 10**9)", 1, 8, 'needs numbers, not "x"'),
        ("choice([1] * 10**9)", 1, 8, "needs numbers, not [1]"),
        (f"uniform(0, {'9' * 5000})", 1, 12, "up to 308 digits"),
        (f"uniform(0,\n\n 1{'9' * 5000})", 3, 2, "up to 308 digits"),
        ("uniform(0, 10**10**10)", 1, 12, "not a finite number"),
        ("uniform 0", 1, 9, '"0" is not expected here'),
        ("uniform(0, ", 1, 8, "never closed"),
        ("\n\n choice('a", 3, 9, "unterminated string literal."),
        ("\n\n(\n]", 4, 1, "opening parenthesis '(' on line 3."),
        ("choice(1 2)", 1, 8, "perhaps a comma is missing after this"),
        ("choice('a' 'b')", 1, 8, "must be a comma"),
        ("choice('é', 'a'\n 'b')", 1, 13, "must be a comma"),
        ("choice(*[1, 2])", 1, 8, "Only numbers"),
        ("choice(**{})", 1, 10, "** cannot be used"),
        ("choice(b'x')", 1, 8, "neither a number nor text"),
        ("choice(1j)", 1, 8, "neither a number nor text"),
        ("choice(...)", 1, 8, "neither a number nor text"),
        ("choice({1, 2})", 1, 8, "Only numbers"),
        ("choice(f'{x}')", 1, 8, "Only numbers"),
        ("choice(x for x in y)", 1, 7, "Only numbers"),
        ("choice([x for x in range(9)])", 1, 8, "Only numbers"),
        ("choice(lambda: 1)", 1, 8, "Only numbers"),
        ("choice(a[0])", 1, 8, "Only numbers"),
        ("choice(1 if 2 else 3)", 1, 8, "Only numbers"),
        ("choice(x := 3)", 1, 8, "Only numbers"),
        ("choice(range(10**9))", 1, 8, "up to 10,000"),
        ("choice(range(1, 2, 0))", 1, 8, "must not be 0"),
        ("choice(range(1.5))", 1, 8, "whole numbers"),
        ("choice(range())", 1, 8, "whole numbers"),
        ("", 1, 1, "exactly one expression"),
        ("choice(1); choice(2)", 1, 12, "exactly one expression"),
        ("import os", 1, 1, "not a statement"),
        ("a = b = choice(1)", 1, 1, "not a statement"),
        ("a.b = choice(1)", 1, 1, "not a statement"),
        ("a\0b", 1, 1, "cannot be read"),
    ],
)
def test_a_bad_call_is_refused_at_its_place(
    text: str, line: int, column: int, words: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_call(text)
    assert words in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("[1, 2]", 1, 1, "mapping of names"),
        ("choice(1, 2)", 1, 1, "cannot wrap a space"),
        ("{1: choice(1)}", 1, 2, "quoted text"),
        ("{**x}", 1, 4, "quoted text"),
        ('{"a": choice(1), "a": choice(2)}', 1, 18, "given twice"),
        ("RandomParameterSampling()", 1, 1, "one space, not 0"),
        ("RandomParameterSampling({}, {})", 1, 1, "one space, not 2"),
        ("GridParameterSampling({}, seed=3)", 1, 32, "no argument seed"),
        ('\n\n  {"a":\n choice(oops)}', 4, 9, "oops has no meaning"),
        ('   {"a": oops}', 1, 10, "oops has no meaning"),
        ('\t{"a": uniform(0, 1),\n\t"b": oops}', 2, 7, "oops has no meaning"),
    ],
)
def test_a_bad_space_is_refused_at_its_place(
    text: str, line: int, column: int, words: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_space(text)
    assert words in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


# A block as articles print it: indented, and with a name in front.
BLOCK = """
    param_sampling = RandomParameterSampling( {
            "learning_rate": normal(10, 3),
            "keep_probability": uniform(0.05, 0.1),
            "batch_size": choice(16, 32, 64, 128)
        }
    )
"""


@pytest.mark.parametrize(
    ("right", "wrong", "line", "column", "words"),
    [
        ("0.1),", "0.1)", 4, 33, "a comma is missing after this"),
        ('"batch_size":', '"batch_size"', 5, 24, "':' expected"),
        ("64, 128", "64, many", 5, 46, "many has no meaning"),
        ("uniform(0.05", "numpy.random(0.05", 4, 33, "bare name"),
        ("normal(10, 3)", "normal(10, 3)[0]", 3, 30, "Only numbers"),
        ("128)", "128", 6, 9, "'(' on line 5."),
        ("128)", "128))", 5, 50, "does not match"),
        ("Random", "Rundom", 2, 22, "cannot wrap a space"),
        ('"keep_probability"', '"learning_rate"', 4, 13, "given twice"),
    ],
)
def test_mistakes_in_a_pasted_block_are_told_at_their_place(
    right: str, wrong: str, line: int, column: int, words: str
) -> None:
    assert len(parse_space(BLOCK).parameters) == 3
    with pytest.raises(ExpressionError) as caught:
        parse_space(BLOCK.replace(right, wrong))
    assert words in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_quotes_inside_a_text_make_no_second_one() -> None:
    texts = ('"""a\nb"""', r"'it\'s'", "\"it's 'so'\"", '\'""""\'', "''")
    found = parse_call(f"choice({', '.join(texts)})").args
    assert found == ("a\nb", "it's", "it's 'so'", '""""', "")


def test_pythons_warnings_of_a_text_reach_no_log() -> None:
    code = (
        "from experiments.search.space.expressions import parse_call;"
        "print(parse_call(r\"choice('\\d', 'a')\").args)"
    )
    command = [sys.executable, "-W", "default", "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert ran.stdout.strip() == r"('\\d', 'a')" and ran.stderr == ""


HOSTILE = {
    "power tower": "uniform(0, 9**9**9**9**9)",
    "long product": f"uniform(0, {'9**99 * ' * 2000}1)",
    "long sum": f"uniform(0, {'1+' * 20_000}1)",
    "many parentheses": "(" * 40_000 + ")" * 5,
    "many lists": "choice(" + "[" * 20_000 + "]" * 20_000 + ")",
    "many signs": "uniform(0, " + "-" * 40_000 + "1)",
    "many nots": "not " * 10_000 + "1",
    "many digits": "uniform(0, " + "9" * 40_000 + ")",
    "huge exponent": "uniform(0, 1e" + "9" * 40_000 + ")",
    "repeated text": 'choice("a" * 10**10)',
    "shift": "uniform(0, 1 << 10**12)",
    "nested calls": "choice(" * 5000 + ")" * 5000,
    "nested ranges": "choice(range(range(range(9))))",
    "nested mappings": '{"a":' * 5000 + "1" + "}" * 5000,
    "too long": "choice(" + "1," * 10**6 + ")",
    "import": "__import__('os').system('touch /tmp/owned')",
    "builtins": "choice(().__class__.__base__.__subclasses__())",
    "attribute": 'choice("".join)',
    "await": "choice(await x)",
    "decorator": "@choice\ndef f(): pass",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("parse", [parse_call, parse_space])
def test_hostile_text_is_refused_within_a_second(
    name: str, parse: Callable[[str], object]
) -> None:
    def refused() -> ExpressionError:
        with pytest.raises(ExpressionError) as caught:
            parse(HOSTILE[name])
        return caught.value

    error = in_time(SECONDS, refused)
    assert len(str(error)) < 500
    assert error.line >= 1 and error.column >= 1
