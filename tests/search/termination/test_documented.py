"""What the documentation says of policies can be used as it stands."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from experiments.search.document.loading import load_document
from experiments.search.records import Objective
from experiments.search.termination import POLICIES, make_policy

TEXT = (Path(__file__).parents[3] / "docs" / "early-termination.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_policy(example: str) -> None:
    settings = load_document(example)["early_termination"]
    assert isinstance(settings, dict)
    policy = make_policy(settings, Objective("accuracy", "maximize"))
    assert policy is not None and policy.kind == settings["type"]


def test_every_policy_has_an_example_and_every_setting_is_named() -> None:
    shown = {load_document(text)["early_termination"]["type"] for text in EXAMPLES}  # type: ignore[index]
    assert shown == set(POLICIES)
    for policy in POLICIES.values():
        names = {setting.name for setting in fields(policy)} - {"objective"}
        assert not {name for name in names if f"`{name}`" not in TEXT}
