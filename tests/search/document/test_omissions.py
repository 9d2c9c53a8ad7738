from __future__ import annotations

import pytest

from experiments.search.document.command import (
    CommandError,
    command_problems,
    render_command,
)

M = "${{search_space.m}}"
LR = "${{search_space.lr}}"
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
