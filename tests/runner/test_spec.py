"""The specification of an attempt is checked before anything is done with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from experiments.runner.sources import CodeSource
from experiments.runner.spec import SpecError, parse_spec

GOOD: dict[str, Any] = {
    "attempt": 12,
    "trial": 3,
    "number": 0,
    "name": "digits-3/0",
    "protocol": 2,
    "argv": ["python", "train.py"],
    "environment": {"A": "b"},
    "code": {"digest": "a" * 64, "url": "http://site/x.zip"},
    "outputs_limit_bytes": 100,
    "log_limit_bytes": 100,
    "trial_timeout": None,
    "grace": 10,
    "heartbeat_seconds": 5,
    "lease_seconds": 60,
    "runner_token": "run_x",
    "trial_token": "trl_x",
    "url": "http://site/",
}


def test_a_good_specification_is_understood() -> None:
    spec = parse_spec(json.dumps(GOOD))
    assert (spec.attempt, spec.trial, spec.url) == ("12", "3", "http://site")
    assert spec.code == CodeSource("a" * 64, "http://site/x.zip")
    assert spec.trial_timeout is None


def test_a_digest_may_name_its_kind() -> None:
    code = {"digest": "sha256:" + "b" * 64, "url": "http://site/x.zip"}
    spec = parse_spec(json.dumps({**GOOD, "code": code}))
    assert spec.code is not None
    assert spec.code.digest == "b" * 64


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("attempt", "../x", "allowed are 1 to 64 letters"),
        ("attempt", "", "allowed are 1 to 64 letters"),
        ("protocol", 1, "the site speaks worker protocol 1"),
        ("argv", [], "argv must be a list of texts"),
        ("argv", "python train.py", "argv must be a list of texts"),
        ("argv", ["python", 1], "argv must be a list of texts"),
        ("environment", {"A": 1}, "environment has 'A'"),
        ("environment", {"A=B": "x"}, "environment has 'A=B'"),
        ("environment", {"A": "x\0y"}, "environment has 'A'"),
        ("code", {"digest": "../../x", "url": "http://x"}, "code.digest must be"),
        ("grace", "10", "grace is '10'; it must be a number"),
        ("grace", -1, "grace is -1; it must be zero or more"),
        ("trial_timeout", True, "trial_timeout is True"),
        ("runner_token", "", "runner_token is missing"),
        ("url", "file:///etc/passwd", "must begin with http"),
    ],
)
def test_a_bad_field_is_named(field: str, value: object, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        parse_spec(json.dumps({**GOOD, field: value}))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"x"'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="the specification"):
        parse_spec(text)
