"""The reference is complete: commands, fields of documents, samplers."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from docs import reference
from experiments.search.document.definition import SweepDefinition
from experiments.search.document.limits import Limits, Resources, Retries
from experiments.search.document.trial import TrialTemplate
from experiments.search.fields import Diagnostics, Fields
from experiments.search.samplers import SAMPLERS
from tests.docs.blocks import ROOT


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def test_the_page_of_commands_is_that_of_the_commands() -> None:
    """If a command has changed: python -m docs.reference"""
    text = reference.PAGE.read_text()
    assert text == reference.commands_page()
    assert "|  |" not in text, "an argument without an explanation"


@pytest.mark.parametrize(
    "kind", [SweepDefinition, TrialTemplate, Limits, Resources, Retries]
)
def test_every_field_of_the_document_is_described(kind: type) -> None:
    text = page("sweep-document.md")
    named = {field.name for field in fields(kind)} - {"warnings"}
    assert {name for name in named if not re.search(rf"\b{name}\b", text)} == set()


def test_every_sampler_and_its_settings_are_described() -> None:
    text = page("samplers.md")
    for name, sampler in SAMPLERS.items():
        assert f"| `{name}` |" in text
        settings = sampler.read_own(Fields({}, "", Diagnostics()))
        assert {each for each in settings if f"`{each}" not in text} == set(), name
