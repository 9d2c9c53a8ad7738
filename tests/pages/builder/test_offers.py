"""What the form offers from a script, as texts: no database, no page."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from experiments.code.scripts.reading import read_script
from experiments.pages.builder.code.offers import (
    EnteredTexts,
    command_without,
    distributions,
    metric_texts,
    stale_names,
    texts_with_kept,
    texts_with_searched,
)

READING = read_script(
    """
import argparse, sweepsite_client
p = argparse.ArgumentParser()
p.add_argument("--lr", type=float, default=0.001)
p.add_argument("--batch-size", type=int, default=32)
p.add_argument("--epochs", type=int, default=30)
p.add_argument("--bias", action=argparse.BooleanOptionalAction, default=True)
p.add_argument("--data")
momentum = sweepsite_client.params().get("momentum", 0.9)
"""
)
PLAIN = EnteredTexts("python train.py")
LR, SIZE = "--lr ${{search_space.lr}}", "--batch-size ${{search_space.batch_size}}"


@pytest.mark.parametrize(
    ("entered", "names", "command"),
    [
        # Appended by itself.
        (PLAIN, ["lr"], "python train.py"),
        (PLAIN, ["momentum"], "python train.py"),
        # The flag has a dash, and then nothing is appended any more.
        (PLAIN, ["batch_size"], f"python train.py {SIZE}"),
        (PLAIN, ["lr", "batch_size"], f"python train.py {LR} {SIZE}"),
        (replace(PLAIN, names=("lr",)), ["batch_size"], f"python train.py {LR} {SIZE}"),
        (
            replace(PLAIN, names=("own",)),
            ["batch_size"],
            f"python train.py --own ${{{{search_space.own}}}} {SIZE}",
        ),
        (PLAIN, ["bias"], "python train.py ${{search_space.bias}}"),
        # A script finds these in params().
        (
            PLAIN,
            ["momentum", "batch_size"],
            f"python train.py {SIZE}",
        ),
        (
            EnteredTexts(f"python train.py {SIZE}", names=("batch_size",)),
            ["lr"],
            f"python train.py {SIZE} {LR}",
        ),
        (
            EnteredTexts("python train.py --epochs ${{ inputs.epochs }}", "epochs=30"),
            ["epochs"],
            "python train.py --epochs ${{search_space.epochs}}",
        ),
    ],
)
def test_the_command_passes_what_is_searched(
    entered: EnteredTexts, names: list[str], command: str
) -> None:
    texts = texts_with_searched(READING, entered, names)
    assert texts["command"] == command
    # A second time nothing changes.
    again = replace(entered, command=command, names=(*entered.names, *names))
    assert texts_with_searched(READING, again, names)["command"] == command


def test_a_searched_input_is_no_input_any_more() -> None:
    entered = replace(PLAIN, inputs="data=x.csv\nepochs = 30")
    assert texts_with_searched(READING, entered, ["epochs"])["inputs"] == "data=x.csv"


@pytest.mark.parametrize(
    ("name", "inputs", "words"),
    [
        ("epochs", "epochs=30", "--epochs ${{inputs.epochs}}"),
        ("batch_size", "batch_size=32", "--batch-size ${{inputs.batch_size}}"),
        ("bias", "bias=--bias", "${{inputs.bias}}"),
        ("data", "data=", "--data ${{inputs.data}}"),
    ],
)
def test_the_command_passes_what_is_kept(name: str, inputs: str, words: str) -> None:
    texts = texts_with_kept(READING, PLAIN, name)
    assert texts == {"command": f"python train.py {words}", "inputs": inputs}


def test_a_kept_one_is_not_kept_twice_and_an_unknown_one_not_at_all() -> None:
    entered = replace(PLAIN, inputs="epochs=5")
    assert texts_with_kept(READING, entered, "epochs") == {}
    assert texts_with_kept(READING, entered, "nothing") == {}


def test_rows_are_not_proposed_twice() -> None:
    entered = replace(PLAIN, names=("lr",))
    found = distributions(READING, entered, ["lr", "batch_size", "nothing"])
    values = [8, 16, 32, 64, 128]
    assert found == {"batch_size": {"type": "choice", "values": values}}


def test_the_goal_is_guessed_by_the_name() -> None:
    assert metric_texts("val_loss") == {
        "primary_metric": "val_loss",
        "goal": "minimize",
    }
    assert metric_texts("f1") == {"primary_metric": "f1", "goal": "maximize"}


@pytest.mark.parametrize(
    ("command", "left"),
    [
        (f"python train.py {LR} {SIZE}", f"python train.py {SIZE}"),
        ("python t.py --lr=${{ search_space.lr }} --x 1", "python t.py --x 1"),
        ("python t.py ${{search_space.lr}}", "python t.py"),
        (
            "python t.py lr ${{search_space.lr2}}",
            "python t.py lr ${{search_space.lr2}}",
        ),
    ],
)
def test_an_argument_is_taken_out_of_the_command(command: str, left: str) -> None:
    assert command_without(command, "lr") == left


def test_what_is_no_parameter_any_more_is_found() -> None:
    entered = EnteredTexts(f"python t.py {LR} {SIZE}", names=("lr",))
    assert stale_names(entered) == ["batch_size"]
    assert stale_names(EnteredTexts("python 'open")) == []


@pytest.mark.parametrize("letter", [" ", "-"])
def test_a_long_command_takes_a_bounded_time(letter: str) -> None:
    start = time.process_time()
    assert command_without(letter * 50_000, "lr") == letter * 50_000
    assert time.process_time() - start < 5
