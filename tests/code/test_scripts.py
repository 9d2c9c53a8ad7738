"""Scripts are read for arguments and metrics, by library, and never run."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from experiments.code.scripts.findings import ScriptArgument
from experiments.code.scripts.proposals import propose
from experiments.code.scripts.reading import read_script

DEMO = Path(__file__).parents[2] / "experiments" / "demo"

ARGPARSE = """
import argparse
from pathlib import Path

OPTIMIZERS = ["sgd", "adam"]
DEFAULT_LR = 1e-3

def share(text: str) -> float:
    return float(text)

def parse():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", type=Path, default="digits.csv.gz")
    parser = argparse.ArgumentParser(parents=[common])
    group = parser.add_argument_group("training")
    group.add_argument("-l", "--learning-rate", type=float, default=DEFAULT_LR,
                       help="size of\\n a step")
    group.add_argument("--batch_size", type=int, default=2 ** 5)
    group.add_argument("--optimizer", choices=OPTIMIZERS, default=OPTIMIZERS[0])
    group.add_argument("--momentum", type=share, default=0.9)
    group.add_argument("--amp", action="store_true")
    group.add_argument("--bias", action=argparse.BooleanOptionalAction, default=True)
    group.add_argument("--nesterov", type=lambda t: bool(int(t)))
    group.add_argument("--layers", nargs="+", type=int, default=[64, 64])
    group.add_argument("--schedule", type=make_schedule)
    group.add_argument("--verbose", "-v", action="count")
    parser.add_argument("target")
    for name in ("--a", "--b"):
        parser.add_argument(name)
    parser.set_defaults(batch_size=64)
    return parser.parse_args()
"""
CLICK = """
import click

@click.command()
@click.option("--lr", default=0.01, help="step size", show_default=True)
@click.option("--units", "-u", type=click.IntRange(8, 512), default=64)
@click.option("--drop", type=click.FloatRange(min=0, max=0.9), default=0.1)
@click.option("--act", type=click.Choice(["relu", "tanh"]), default="relu")
@click.option("--shuffle/--no-shuffle", default=True)
@click.option("--fast", is_flag=True)
@click.option("--tag", multiple=True)
@click.argument("data", type=click.Path(exists=True))
def main(lr, units, drop, act, shuffle, fast, tag, data):
    pass
"""
TYPER = """
from enum import Enum
from typing import Annotated, Literal, Optional
import typer

app = typer.Typer()

class Optimizer(str, Enum):
    sgd = "sgd"
    adam = "adam"

@app.command()
def train(
    data: str,
    learning_rate: float = typer.Option(0.01, min=0.0001, max=1.0, help="step"),
    units: Annotated[int, typer.Option("--hidden", min=8)] = 64,
    optimizer: Optimizer = Optimizer.sgd,
    norm: Literal["batch", "layer"] = "batch",
    dropout: Optional[float] = None,
    amp: bool = False,
    sizes: list[int] = [1, 2],
):
    ...
"""
FIRE = """
import fire

def train(lr: float = 0.1, units=64, amp=False, *, name: str = "x"):
    ...

if __name__ == "__main__":
    fire.Fire(train)
"""
TYRO = """
import dataclasses
import tyro

@dataclasses.dataclass
class Base:
    seed: int = 0

@dataclasses.dataclass
class Config(Base):
    learning_rate: float = 3e-4
    amp: bool = True

config = tyro.cli(Config)
"""
HUGGING_FACE = """
from dataclasses import dataclass, field
from transformers import HfArgumentParser, TrainingArguments

@dataclass
class ModelArguments:
    model: str = field(default="bert", metadata={"choices": ["bert", "t5"]})
    lora_rank: int = field(default=8)
    fp16: bool = field(default=False)

parser = HfArgumentParser((ModelArguments, TrainingArguments))
"""
ABSL = """
from absl import app, flags
FLAGS = flags.FLAGS
flags.DEFINE_float("lr", 0.1, "step", lower_bound=0.001)
flags.DEFINE_integer("units", 64, "width")
flags.DEFINE_enum("act", "relu", ["relu", "tanh"], "which")
flags.DEFINE_bool("amp", False, "half")
flags.DEFINE_list("sizes", "1,2", "sizes")
"""
PARAMS = """
import sweepsite_client as sweep
p = sweep.params()
lr = p.get("lr", 0.1)
units = int(p["units"])
amp = sweep.params().get("amp", False)
other = {}.get("no", 1)
"""

# Name: template, kind, default, choices.
TABLE: list[tuple[str, str, dict[str, tuple[Any, ...]]]] = [
    (
        "argparse",
        ARGPARSE,
        {
            "data": ("--data {}", "path", "digits.csv.gz", ()),
            "learning_rate": ("--learning-rate {}", "float", 0.001, ()),
            "batch_size": ("--batch_size {}", "int", 64, ()),
            "optimizer": ("--optimizer {}", "text", None, ("sgd", "adam")),
            "momentum": ("--momentum {}", "float", 0.9, ()),
            "amp": ("--amp", "switch", None, ()),
            "bias": ("{}", "switch", True, ("--bias", "--no-bias")),
            "nesterov": ("--nesterov {}", "bool", None, ()),
            "target": ("{}", "text", None, ()),
        },
    ),
    (
        "click",
        CLICK,
        {
            "lr": ("--lr {}", "float", 0.01, ()),
            "units": ("--units {}", "int", 64, ()),
            "drop": ("--drop {}", "float", 0.1, ()),
            "act": ("--act {}", "text", "relu", ("relu", "tanh")),
            "shuffle": ("{}", "switch", True, ("--shuffle", "--no-shuffle")),
            "fast": ("--fast", "switch", None, ()),
            "data": ("{}", "path", None, ()),
        },
    ),
    (
        "typer",
        TYPER,
        {
            "data": ("{}", "text", None, ()),
            "learning_rate": ("--learning-rate {}", "float", 0.01, ()),
            "hidden": ("--hidden {}", "int", 64, ()),
            "optimizer": ("--optimizer {}", "text", "sgd", ("sgd", "adam")),
            "norm": ("--norm {}", "text", "batch", ("batch", "layer")),
            "dropout": ("--dropout {}", "float", None, ()),
            "amp": ("{}", "switch", False, ("--amp", "--no-amp")),
        },
    ),
    (
        "fire",
        FIRE,
        {
            "lr": ("--lr {}", "float", 0.1, ()),
            "units": ("--units {}", "int", 64, ()),
            "amp": ("--amp {}", "bool", False, ("True", "False")),
            "name": ("--name {}", "text", "x", ()),
        },
    ),
    (
        "tyro",
        TYRO,
        {
            "seed": ("--seed {}", "int", 0, ()),
            "learning_rate": ("--learning-rate {}", "float", 0.0003, ()),
            "amp": ("{}", "switch", True, ("--amp", "--no-amp")),
        },
    ),
    (
        "HfArgumentParser",
        HUGGING_FACE,
        {
            "model": ("--model {}", "text", "bert", ("bert", "t5")),
            "lora_rank": ("--lora_rank {}", "int", 8, ()),
            "fp16": ("--fp16 {}", "bool", False, (True, False)),
        },
    ),
    (
        "absl",
        ABSL,
        {
            "lr": ("--lr {}", "float", 0.1, ()),
            "units": ("--units {}", "int", 64, ()),
            "act": ("--act {}", "text", "relu", ("relu", "tanh")),
            "amp": ("--amp={}", "bool", False, (True, False)),
        },
    ),
    (
        "params",
        PARAMS,
        {
            "lr": ("", "float", 0.1, ()),
            "units": ("", "text", None, ()),
            "amp": ("", "bool", False, (True, False)),
        },
    ),
]


@pytest.mark.parametrize(
    ("text", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_arguments_of(text: str, expected: dict[str, tuple[Any, ...]]) -> None:
    found = {
        each.name: (each.template, each.kind, each.default, each.choices)
        for each in read_script(text).arguments
    }
    assert found == expected


def test_ranges_help_and_lines() -> None:
    found = {each.name: each for each in read_script(CLICK).arguments}
    assert (found["units"].low, found["units"].high) == (8, 512)
    assert (found["drop"].low, found["drop"].high) == (0, 0.9)
    assert (found["lr"].help, found["lr"].line) == ("step size", 5)
    found = {each.name: each for each in read_script(ARGPARSE).arguments}
    assert found["learning_rate"].help == "size of a step"


def test_what_is_not_understood_says_why() -> None:
    found = [(each.name, each.line, each.why) for each in read_script(ARGPARSE).unread]
    assert found == [
        ("--layers", 24, "it takes several values"),
        ("--schedule", 25, "it takes a function"),
        ("--verbose", 26, "it takes several values"),
        ("", 29, "its name is a variable"),
    ]


METRICS = """
import mlflow, wandb, logging
from torch.utils.tensorboard import SummaryWriter
import sweepsite_client as sweep
from ray import train

def evaluate(model):
    wandb.log({"val/loss": 1.0, "val/f1": 2.0})

class Model(LightningModule):
    def training_step(self, batch, index):
        self.log("train_loss", loss, prog_bar=True)
    def validation_step(self, batch, index):
        self.log_dict({"val_acc": acc})

def main():
    writer = SummaryWriter()
    logging.log(logging.INFO, "epoch=3")
    logger.log("INFO", "started=1")
    for epoch in range(30):
        for step, batch in enumerate(loader):
            mlflow.log_metric("loss", loss, step=step)
            sum = math.log(x)
        mlflow.log_metrics({"accuracy": a, **more}, step=epoch)
        results = {"recall": r}
        results["precision"] = p
        run.log(results)
        writer.add_scalar("Loss/test", x, epoch)
        sweep.log(step=epoch, auc=0.9)
        train.report({"ray_loss": 1})
        evaluate(model)
        print(f"Epoch {epoch}/{30} error={e:.4f} took: {seconds:.1f}")
        print("mae=%.4f step=%d" % (m, s))
        print("rmse: {:.3f}".format(r))
        print("mape=" + str(m))
        print(f"{kappa=}")
        trial.report(accuracy, step)
    while True:
        run.log("reward", r)
    run.log("final", value)
    print("done")
"""


def test_metrics_with_line_and_how_often() -> None:
    found = {m.name: (m.line, m.every) for m in read_script(METRICS).metrics}
    assert found == {
        "val/loss": (8, "epoch"),
        "val/f1": (8, "epoch"),
        "train_loss": (12, "step"),
        "val_acc": (14, "epoch"),
        "loss": (22, "step"),
        "accuracy": (24, "epoch"),
        "recall": (27, "epoch"),
        "precision": (27, "epoch"),
        "Loss/test": (28, "epoch"),
        "auc": (29, "epoch"),
        "ray_loss": (30, "epoch"),
        "error": (32, "epoch"),
        "took": (32, "epoch"),
        "mae": (33, "epoch"),
        "rmse": (34, "epoch"),
        "mape": (35, "epoch"),
        "kappa": (36, "epoch"),
        "reward": (39, "loop"),
        "final": (40, ""),
    }


def test_a_reported_metric_comes_before_a_printed_one_of_the_same_name() -> None:
    text = "print(f'loss={x}')\nfor epoch in e:\n    run.log('loss', x)\n"
    (metric,) = read_script(text).metrics
    assert (metric.words, metric.is_printed) == ("line 3, every epoch", False)


def test_the_demo_s_script_is_read() -> None:
    found = read_script((DEMO / "train.py").read_text())
    kinds = {each.name: (each.kind, each.default) for each in found.arguments}
    assert kinds == {
        "learning_rate": ("float", 0.01),
        "momentum": ("float", 0.9),
        "hidden_units": ("int", 64),
        "batch_size": ("int", 32),
        "weight_decay": ("float", 1e-4),
        "epochs": ("int", 30),
        "seed": ("int", 0),
    }
    assert not found.unread


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("print 'loss', x\n", "it is not valid Python 3 (line 1)"),
        ("def (:", "it is not valid Python 3 (line 1)"),
        ("\0", ""),
        ("(" * 100_000, ""),
        ("-" * 100_000 + "1", ""),
        ("x = 1\n" * 40_000, "it has 240,000 characters; up to 200,000 are read"),
        ("a;a\n" * 50_000, "it is too long"),
    ],
)
def test_nonsense_is_an_empty_result_with_a_sentence(text: str, problem: str) -> None:
    found = read_script(text)
    assert found.problem
    assert not problem or found.problem == problem
    assert not found.arguments
    assert not found.metrics


OPTION = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--x', {})\n"


@pytest.mark.parametrize(
    "text",
    [
        OPTION.format(f"default=1{'0' * 400}"),
        OPTION.format(f"choices=range({10**30})"),
        OPTION.format(r"type=int, help='\ud800'"),
        OPTION.format(r"type=int) or p.add_argument('--\ud800'"),
    ],
)
def test_numbers_and_letters_that_nothing_else_takes_are_left_out(text: str) -> None:
    reading = read_script(text)
    assert reading.arguments[0].default is None
    assert all("\ud800" not in str(vars(each)) for each in reading.arguments)


CLASSES = "".join(f"class C{i}({f'C{i + 1},' * 20}): pass\n" for i in range(9))


@pytest.mark.parametrize(
    "text",
    [
        f"import tyro\n{CLASSES}class C9: pass\ntyro.cli(C0)",
        "x = {" + "1: 1," * 10_000 + "}\n" + "log(x)\n" * 8_000,
        "class E: \n" + " a = 1\n" * 9_000 + OPTION.format("default=E.b") * 1_500,
    ],
    ids=["bases of bases", "keys of a mapping", "lines of a class"],
)
def test_parts_that_name_each_other_take_a_bounded_time(text: str) -> None:
    start = time.process_time()
    assert read_script(text).problem == "its parts name each other too often"
    assert time.process_time() - start < 5


def test_lists_of_lists_take_a_bounded_time() -> None:
    names = [f"n{number}" for number in range(20)]
    lines = [f"{a} = [{', '.join([b] * 99)}]" for a, b in itertools.pairwise(names)]
    text = (
        "import argparse\n" + "\n".join(lines) + "\np.add_argument('--x', choices=n0)\n"
    )
    start = time.process_time()
    assert [each.name for each in read_script(text).arguments] == ["x"]
    assert time.process_time() - start < 2


PROPOSALS: list[tuple[dict[str, Any], str, str, bool]] = [
    ({"name": "lr", "default": 0.001}, "float, log", "0.00001 to 0.1", False),
    ({"name": "base_lr", "default": None}, "float, log", "0.00001 to 0.1", False),
    ({"name": "lr_decay", "default": 0.9}, "uniform", "0.5 to 0.99", False),
    ({"name": "weight_decay", "default": 0.0}, "float, log", "0.000001 to 0.01", False),
    ({"name": "dropout", "default": 0.1}, "uniform", "0 to 0.5", False),
    ({"name": "momentum", "default": 0.9}, "uniform", "0.5 to 0.99", False),
    ({"name": "x", "default": 3.0}, "float, log", "0.3 to 30", False),
    ({"name": "x", "default": 0.0}, "uniform", "0 to 1", False),
    ({"name": "x", "default": -2.0}, "uniform", "-4 to 0", False),
    ({"name": "x", "low": 0.0, "high": 0.9}, "uniform", "0 to 0.9", False),
    ({"name": "x", "low": 1e-4, "high": 1.0}, "float, log", "0.0001 to 1", False),
    ({"name": "lr", "default": 0.1, "low": 0.01}, "float, log", "0.01 to 1", False),
    (
        {"name": "batch_size", "kind": "int", "default": 32},
        "choice",
        "8, 16, 32, 64, 128",
        False,
    ),
    ({"name": "hidden", "kind": "int"}, "choice", "16, 32, 64, 128, 256", False),
    ({"name": "layers", "kind": "int", "default": 2}, "int", "1 to 4", False),
    ({"name": "units", "kind": "int", "low": 8, "high": 512}, "int", "8 to 512", False),
    ({"name": "seed", "kind": "int", "default": 0}, "int", "0 to 4", True),
    (
        {"name": "num_epochs", "kind": "int", "default": 30},
        "choice",
        "8, 16, 32, 64, 128",
        True,
    ),
    ({"name": "data", "kind": "path", "default": "x.csv"}, "choice", "x.csv", True),
    ({"name": "act", "kind": "text", "default": "relu"}, "choice", "relu", True),
    (
        {"name": "model_name", "kind": "text", "choices": ("a", "b")},
        "choice",
        "a, b",
        False,
    ),
    ({"name": "amp", "kind": "bool"}, "choice", "true, false", False),
    (
        {"name": "amp", "kind": "switch", "choices": ("--amp", "--no-amp")},
        "choice",
        "--amp, --no-amp",
        False,
    ),
]


@pytest.mark.parametrize(("given", "kind", "values", "is_fixed"), PROPOSALS)
def test_a_proposal_for(
    given: dict[str, Any], kind: str, values: str, *, is_fixed: bool
) -> None:
    argument = ScriptArgument(**{"template": "", "line": 1, "kind": "float", **given})
    found = propose(argument)
    assert (found.kind, found.values, found.is_fixed) == (kind, values, is_fixed)
