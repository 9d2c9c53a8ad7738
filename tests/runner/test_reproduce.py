"""What a worker says about how a trial ran: nothing secret, and nothing is executed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from experiments.runner.reproduce import (
    masked_command,
    masked_text,
    masked_variables,
    python_facts,
    training_facts,
)


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "OPENAI_APIKEY", "KEY"]
)
def test_names_of_secrets_hide_their_values(name: str) -> None:
    assert masked_variables({name: "abc"}) == {name: None}


@pytest.mark.parametrize(
    ("name", "value"),
    [("TOKENIZERS_PARALLELISM", "false"), ("MAX_TOKENS", "512"), ("KEYBOARD", "us")],
)
def test_other_names_keep_them(name: str, value: str) -> None:
    assert masked_variables({name: value}) == {name: value}


def test_addresses_and_well_known_tokens_are_masked_in_any_text() -> None:
    assert masked_text("https://me:pw@host/x") == "https://***@host/x"
    assert masked_text("x ghp_0123456789abcdef y") == "x *** y"


def test_options_of_secrets_are_masked_and_hyperparameters_are_not() -> None:
    argv = [
        "train.py",
        "--api-key=a",
        "--token",
        "b",
        "--max-tokens",
        "5",
        "--key",
        "-v",
    ]
    assert masked_command(argv) == [
        *("train.py", "--api-key=***", "--token", "***"),
        *("--max-tokens", "5", "--key", "-v"),
    ]


def test_packages_are_those_of_the_interpreter_s_folders(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.12/site-packages"
    for name in (
        "a_b-1.0.dist-info",
        "Old-2.1-py3.12.egg-info",
        "nonsense",
        "-1.dist-info",
    ):
        (site / name).mkdir(parents=True)
    (tmp_path / "pyvenv.cfg").write_text("home = /nowhere/bin\nversion = 3.12.7\n")
    facts = python_facts(str(tmp_path / "bin/python"))
    assert facts["python"] == "3.12.7"
    assert facts["packages"] == ["a-b==1.0", "Old==2.1"]


def test_facts_of_a_training(tmp_path: Path) -> None:
    environment = {
        "SWEEPSITE_TOKEN": "t",
        "PATH": f"{tmp_path}/bin:/usr/bin",
        "MLFLOW_RUN_ID": "7",
        "BAD": "\udc80",
    }
    facts = training_facts([sys.executable, "x"], environment, folder=tmp_path)
    assert facts["command"] == [sys.executable, "x"]
    assert facts["variables"] == {"PATH": "…/bin:/usr/bin", "BAD": "?"}
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    packages = facts["packages"]
    assert isinstance(packages, list)
    assert any(line.startswith("psutil==") for line in packages)


@pytest.mark.parametrize(
    "name", ["PGPASSWORD", "MYSQL_PWD", "SSHPASS", "GITHUB_PAT", "authToken"]
)
def test_secrets_without_a_separator_in_their_names(name: str) -> None:
    assert masked_variables({name: "hunter2"}) == {name: None}


def test_passwords_with_an_at_sign_and_arguments_without_dashes_are_masked() -> None:
    assert masked_text("https://me:p@w@host/x@y") == "https://***@host/x@y"
    argv = ["python", "a.py", "+api_key=abc", "lr=0.1", "max_tokens=5"]
    assert masked_command(argv) == [*argv[:2], "+api_key=***", *argv[3:]]


def test_masking_takes_no_longer_for_what_is_almost_a_token() -> None:
    began = time.process_time()
    masked_text("eyJabcdefgh-" * 15_000 + "x://a" * 10_000)
    assert time.process_time() - began < 1
