from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.document.command import (
    CommandError,
    CommandPlaceholder,
    command_problems,
    command_warnings,
    placeholders,
    render_command,
    split_command,
    value_text,
)

LR = "${{search_space.lr}}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("python train.py --lr 0.1", ["python", "train.py", "--lr", "0.1"]),
        ("  a \t b\n c ", ["a", "b", "c"]),
        ("a \\\n  b", ["a", "b"]),
        ("a\\\nb", ["ab"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        ("a'b'\"c\"d", ["abcd"]),
        ("a '' \"\"", ["a", "", ""]),
        (r"a\ b \'", ["a b", "'"]),
        (r'"a\"b" "\$x" "\n"', ['a"b', "$x", r"\n"]),
        (r"'a\b'", [r"a\b"]),
        ("a; rm -rf $HOME && b", ["a;", "rm", "-rf", "$HOME", "&&", "b"]),
        (f"--lr={LR}", [f"--lr={LR}"]),
        ("${{ search_space.lr }} x", [LR, "x"]),
        (f'"{LR} {LR}"', [f"{LR} {LR}"]),
        (f"'{LR}'", [LR]),
        ("", []),
    ],
)
def test_a_command_is_split_as_a_shell_would(text: str, words: list[str]) -> None:
    assert split_command(text) == words


@given(words=st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"))))
def test_quoted_words_come_back_as_they_were(words: list[str]) -> None:
    if any("${{" in word for word in words):
        return
    assert split_command(shlex.join(words)) == words


@given(text=st.text("ab'\"\\ \n$&#;", max_size=30))
def test_without_placeholders_the_result_is_that_of_shlex(text: str) -> None:
    # Python's shlex keeps the backslash and newline that continue a line, and treats
    # $ and ` after a backslash in quotes as plain; a POSIX shell does neither.
    if "\\\n" in text or "\\$" in text:
        return
    try:
        expected = shlex.split(text)
    except ValueError:
        with pytest.raises(CommandError):
            split_command(text)
        return
    assert split_command(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a 'b", "quotation mark has no closing one at character 3"),
        ('a "b', "quotation mark has no closing one"),
        ("a b\\", "must not end with a backslash"),
        ("a ${{search_space.lr", "no closing }}"),
    ],
)
def test_an_open_end_is_an_error(text: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        split_command(text)


def test_placeholders_are_found_once_each_in_order() -> None:
    text = f"a {LR} '${{{{inputs.n}}}} {LR}' ${{{{ search_space.b }}}}"
    assert placeholders(text) == (
        CommandPlaceholder("search_space", "lr"),
        CommandPlaceholder("inputs", "n"),
        CommandPlaceholder("search_space", "b"),
    )
    assert str(placeholders(text)[0]) == LR


HOSTILE = [
    "; rm -rf /",
    "$(x)",
    "`x`",
    "a b  c",
    "a\nb",
    "'",
    '"',
    "\\",
    "",
    "--other",
    "${{inputs.secret}}",
    "$HOME",
    "*",
    "a\tb\u00a0c",
    "日本",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_is_one_argument_whatever_is_in_it(value: str) -> None:
    argv = render_command(f"run --x {LR} --y", {"lr": value}, {"secret": "s"})
    assert argv == ["run", "--x", value, "--y"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("form", ["--x={}", "'a {} b'", '"a {} b"'])
def test_a_value_is_a_part_of_one_argument_where_it_stands_in_one(
    value: str, form: str
) -> None:
    argv = render_command(f"run {form.format(LR)} z", {"lr": value}, {})
    whole = form.strip("'\"").format(value)
    assert argv == ["run", whole, "z"]


@pytest.mark.parametrize("value", [v for v in HOSTILE if v])
def test_a_process_receives_exactly_the_value(value: str) -> None:
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    argv = render_command(f"x -c '{code}' {LR}", {"lr": value}, {})
    found = subprocess.run(
        [sys.executable, *argv[1:]], capture_output=True, check=True, text=True
    )
    assert json.loads(found.stdout) == [value]


def test_inputs_and_parameters_are_filled_in() -> None:
    argv = render_command(
        "python t.py --lr ${{search_space.lr}} --epochs ${{inputs.epochs}}",
        {"lr": 0.1, "unused": 3},
        {"epochs": 30},
    )
    assert argv == ["python", "t.py", "--lr", "0.1", "--epochs", "30"]


def test_a_command_without_parameters_gets_all_of_them_appended() -> None:
    argv = render_command(
        "python t.py ${{inputs.n}}", {"b": 1, "a": "x y", "c": True}, {"n": 2}
    )
    assert argv == [*("python", "t.py", "2", "--b", "1", "--a", "x y", "--c", "true")]


@pytest.mark.parametrize("text", [LR, "${{inputs.lr}}", "${{outputs.lr}}"])
def test_a_placeholder_without_a_value_is_an_error(text: str) -> None:
    with pytest.raises(CommandError, match="no value for"):
        render_command(f"run {text}", {"other": 1}, {})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (None, "null"),
        (16, "16"),
        (0.1, "0.1"),
        (1.0, "1.0"),
        (1e-05, "1e-05"),
        (1e22, "1e+22"),
        (-1e-05, "-0.00001"),
        (-5.3e-05, "-0.000053"),
        (-1e22, "-10000000000000000000000.0"),
        ("text", "text"),
        ("1", "1"),
        ([1, "a", None], '[1, "a", null]'),
        ({"é": 1.5}, '{"é": 1.5}'),
    ],
)
def test_the_text_of_a_value(value: object, text: str) -> None:
    assert value_text(value) == text  # type: ignore[arg-type]


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_float_gives_the_same_float_back(value: float) -> None:
    assert float(value_text(value)) == value


@given(value=st.floats(-1, 0, exclude_max=True))
def test_a_negative_float_never_looks_like_an_option(value: float) -> None:
    assert "e" not in value_text(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("run ${{search_space.lrr}}", 'no parameter "lrr" here; did you mean lr?'),
        ("run ${{inputs.n}}", "the document has no inputs"),
        ("run ${{outputs.model}}", "placeholders are ${{search_space.NAME}}"),
        ("run ${{lr}}", "is not known"),
        ("run ${{}}", "is not known"),
        ("run 'x", "no closing one"),
        ("", "has no program"),
        ("  ", "has no program"),
    ],
)
def test_a_command_that_cannot_work_is_a_problem(text: str, words: str) -> None:
    (message,) = command_problems(text, ["lr", "batch"], [])
    assert words in message


def test_every_unknown_placeholder_is_named() -> None:
    text = "run ${{search_space.a}} ${{inputs.b}} ${{search_space.lr}}"
    assert len(list(command_problems(text, ["lr"], ["n"]))) == 2


def test_unknown_parameters_are_let_pass_when_no_names_are_known() -> None:
    assert list(command_problems("run ${{search_space.x}}", None, [])) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"run {LR}", "does not use batch."),
        ("pip install x && run", '"&&" has no special meaning'),
        ("run > log.txt", '">"'),
        ("run $KERNEL", '"$KERNEL"'),
        ("run $(nproc)", '"$("'),
        ("run {search_space.lr}", "${{search_space.lr}} is"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(text: str, words: str) -> None:
    assert list(command_problems(text, ["lr", "batch"], [])) == []
    (message,) = command_warnings(text, ["lr", "batch"])
    assert words in message


@pytest.mark.parametrize(
    "text",
    [
        "run",
        f"run {LR} ${{{{search_space.batch}}}}",
        "bash -c 'a && b > c; echo $HOME'",
        "run 100% a&b --x=1;",
    ],
)
def test_an_ordinary_command_gives_no_warning(text: str) -> None:
    assert list(command_warnings(text, ["lr", "batch"])) == []


def test_a_long_command_is_split_quickly() -> None:
    assert len(split_command("$ " * 10_000)) == 10_000
    assert len(split_command("$" * 20_000)[0]) == 20_000


M = "${{search_space.m}}"
NAMES = ["lr", "m", "net", "net.x"]


@pytest.mark.parametrize(
    ("text", "with_it", "without"),
    [
        (f"run --m {M}", "run --m 0.9", "run"),
        (f"run --lr {LR} --m {M} --e 3", "run --lr 0.1 --m 0.9 --e 3", None),
        (f"run -m {M} data.csv {LR}", "run -m 0.9 data.csv 0.1", "run data.csv 0.1"),
        (f"run --m={M} {LR}", "run --m=0.9 0.1", "run 0.1"),
        (f"run {LR} -C{M}", "run 0.1 -C0.9", "run 0.1"),
        (f"run m={M} lr={LR}", "run m=0.9 lr=0.1", "run lr=0.1"),
        (f"run +opt.m={M} {LR}", "run +opt.m=0.9 0.1", "run 0.1"),
        (
            f"run --m={M}${{{{inputs.unit}}}} {LR}",
            "run --m=0.9px 0.1",
            "run 0.1",
        ),
    ],
)
def test_the_argument_of_an_inactive_parameter_is_left_out(
    text: str, with_it: str, without: str | None
) -> None:
    assert list(command_problems(text, NAMES, ["unit"], ["m"])) == []
    inputs = {"unit": "px"}
    params = {"lr": 0.1, "m": 0.9}
    assert render_command(text, params, inputs) == with_it.split()
    del params["m"]
    expected = with_it.replace(" --m 0.9", "") if without is None else without
    assert render_command(text, params, inputs) == expected.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"run {M}", "no option in front"),
        (f"run x {M} {LR}", "no option in front"),
        (f"run -- {M}", "no option in front"),
        (f"run --a=b {M}", "no option in front"),
        (f"run --betas {M} {LR}", "another value follows"),
        (f"run model-{M}.bin", "no name in front"),
        (f"run --both={LR},{M}", "both lr and m"),
        (f"bash -c 'python t.py --m {M}'", "text of several words"),
    ],
)
def test_an_argument_that_cannot_be_left_out_is_a_problem(
    text: str, words: str
) -> None:
    (message,) = command_problems(text, NAMES, [], ["m"])
    assert words in message
    assert message.startswith("m has no value in some trials")
    assert f"Write --m {M}." in message
    assert list(command_problems(text, NAMES, [])) == []
    with pytest.raises(CommandError, match="no value for"):
        render_command(text, {"lr": 1}, {})


def test_an_entry_of_a_nested_choice_has_a_placeholder_of_its_own() -> None:
    text = "run --net ${{search_space.net}} --x ${{search_space.net.x}}"
    assert list(command_problems(text, NAMES, [], ["net.x"])) == []
    argv = render_command(text, {"net": {"k": "a", "x": 2}}, {})
    assert argv == ["run", "--net", '{"k": "a", "x": 2}', "--x", "2"]
    assert render_command(text, {"net": {"k": "b"}}, {})[-1] == '{"k": "b"}'
    assert list(command_problems("run ${{search_space.net.y}}", NAMES, []))


def test_appended_options_leave_inactive_parameters_out() -> None:
    argv = render_command("run", {"lr": 0.1, "net": {"x": 1}}, {})
    assert argv == ["run", "--lr", "0.1", "--net", '{"x": 1}']
