"""No text and no document makes the reading raise anything but its own errors, or take
longer than a second."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.search.document.definition import parse_document
from experiments.search.document.loading import load_document
from experiments.search.fields import DefinitionError
from experiments.search.preview import space_histograms
from experiments.search.space.expressions import parse_call, parse_space
from experiments.search.space.notation import DISTRIBUTIONS
from experiments.search.space.source import ExpressionError
from experiments.search.space.space import SearchSpace
from tests.in_time import in_time
from tests.search.space.test_counting import spaces

# Of the processor's time; the slowest of what is drawn here takes a tenth of it.
SECONDS = 1.0
ARTICLE = """param_sampling = RandomParameterSampling( {
        "learning_rate": normal(10, 3),
        "keep_probability": uniform(0.05, 0.1),
        "batch_size": choice(16, 32, 64, 128)
    }
)
"""
DOCUMENT = """experiment_name: digits
trial: {command: "python train.py --lr ${{search_space.lr}}"}
search_space:
  lr: {type: loguniform, min_value: -9, max_value: -2}
  layers: int(1, 4)
  net:
    type: choice
    values: [{kind: conv, width: {type: randint, upper: 9}}, {kind: none}]
  momentum: {type: uniform, min_value: 0, max_value: 1, when: {net.kind: conv}}
constraints: ["layers * net.width <= 20", "momentum < 0.9"]
objective: {primary_metric: accuracy, goal: maximize}
limits: {max_total_trials: 4}
"""
PIECES = st.sampled_from(
    [
        *DISTRIBUTIONS,
        *("range", "RandomParameterSampling", "GridParameterSampling", "__import__"),
        *("(", ")", "[", "]", "{", "}", ",", ":", ";", "=", ":=", ".", "*", "**"),
        *("+", "-", "/", "//", "%", "@", "<<", "==", "\n", "\t", "\\", "#", '"""', "é"),
        *("0", "1", "-3", "2.5", "1e300", "1e999", "9" * 400, "9" * 5000, "0x1f", "1j"),
        *('"a"', "'b'", "b'c'", "f'{x}'", "'", '"', "true", "None", "null", "oops"),
        *("lambda", "for", "in", "if", "else", "await", "yield", "import", "not", "\0"),
        *("when", "values", '"type"', "min_value", "\ud800", "\u2028", "\f", "\r"),
    ]
)


def edited(text: str) -> st.SearchStrategy[str]:
    """The text with a few places cut out or written over."""

    def edit(edits: list[tuple[int, int, str]]) -> str:
        result = text
        for start, length, piece in edits:
            at = start % (len(result) + 1)
            result = result[:at] + piece + result[at + length :]
        return result

    places = st.integers(0, 10_000), st.integers(0, 12), PIECES | st.text(max_size=3)
    return st.lists(st.tuples(*places), min_size=1, max_size=4).map(edit)


TEXTS = (
    edited(ARTICLE)
    | st.lists(PIECES, max_size=14).map(" ".join)
    | st.lists(PIECES, max_size=14).map("".join)
    | st.text(max_size=60)
    # The same few signs again and again.
    | st.tuples(st.lists(PIECES, min_size=1, max_size=3), st.integers(1, 9_000)).map(
        lambda drawn: ("".join(drawn[0]) * drawn[1])[:49_000]
    )
)


@settings(max_examples=300)
@given(text=TEXTS)
def test_any_text_is_an_expression_or_refused_at_its_place(text: str) -> None:
    def read(parse: Callable[[str], object]) -> None:
        try:
            parse(text)
        except ExpressionError as error:
            lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            assert error.message and 1 <= error.line <= len(lines)
            assert error.column >= 1
            assert "set_int_max_str_digits" not in error.message
            assert len(str(error)) < 1000

    in_time(SECONDS, lambda: read(parse_call))
    in_time(SECONDS, lambda: read(parse_space))


@settings(max_examples=150)
@given(text=TEXTS)
def test_any_text_is_a_space_or_a_problem_of_one(text: str) -> None:
    def read() -> None:
        try:
            space = SearchSpace.parse(text)
        except DefinitionError as error:
            assert error.problems
        else:
            assert SearchSpace.parse(space.dump()) == space

    in_time(SECONDS, read)


@settings(max_examples=150)
@given(text=edited(DOCUMENT))
def test_any_edit_of_a_document_is_read_or_refused(text: str) -> None:
    def read() -> None:
        try:
            definition = parse_document(load_document(text))
        except DefinitionError as error:
            assert error.problems
        else:
            assert parse_document(definition.dump()).dump() == definition.dump()

    in_time(SECONDS, read)


@settings(max_examples=60)
@given(drawn=spaces(), seed=st.integers(0, 2**32))
def test_any_constrained_space_keeps_to_its_constraints(
    drawn: tuple[dict[str, object], list[str]], seed: int
) -> None:
    document, rules = drawn

    def read() -> None:
        try:
            space = SearchSpace.parse(document, constraints=rules)
        except DefinitionError as error:
            assert all(one.path.startswith("constraints") for one in error.problems)
            return
        params = space.sample(np.random.default_rng(seed))
        assert space.problems(params) == ()
        assert space.decode(space.encode(params)) == params
        texts = [rule.text for rule in space.constraints]
        assert SearchSpace.parse(space.dump(), constraints=texts) == space
        pictures = space_histograms(space, draws=100)
        values = space.layout.order[0].distribution
        shown = pictures[space.layout.order[0].name]
        assert values.count() is None or 0 < sum(shown.counts) <= shown.drawn <= 100

    in_time(SECONDS, read)
