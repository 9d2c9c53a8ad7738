"""Every trial says where its values come from."""

from __future__ import annotations

import pytest
from django.test import Client

from experiments.models import Trial
from experiments.pages.trial_rows import origin_words
from tests import factories
from tests.pages.builder.builder_forms import member, page


@pytest.mark.parametrize(
    ("trial", "text", "words"),
    [
        (Trial(origin="random"), "random", "Drawn at random"),
        (
            Trial(origin="initial design"),
            "initial design",
            "Initial design: covers the space before there are results",
        ),
        (
            Trial(origin="imported"),
            "imported",
            "Imported: it ran before this sweep",
        ),
        (
            Trial(origin="rerun", source_number=12),
            "re-run of 12",
            "Trial 12 run again, with the same values",
        ),
        (
            Trial(origin="rerun", source_number=12, runs_to_end=True),
            "re-run of 12, to its end",
            "Trial 12 run again, with the same values and without early termination",
        ),
        (
            Trial(origin="retry", source_number=3),
            "retry of 3",
            "Trial 3 retried, with the same values",
        ),
        (
            Trial(origin="clone", source_number=4),
            "clone of 4",
            "A clone of trial 4 with other values",
        ),
        (
            Trial(origin="replacement", source_number=5),
            "in place of 5",
            "In place of trial 5, which was deleted",
        ),
        (Trial(origin="by_hand"), "added by hand", "Added by hand"),
        (
            Trial(origin="by_hand", runs_to_end=True),
            "added by hand, to its end",
            "Added by hand and without early termination",
        ),
        (Trial(origin="a sampler's own"), "a sampler's own", "A sampler's own"),
        (Trial(origin=""), "", ""),
    ],
)
def test_an_origin_in_words(trial: Trial, text: str, words: str) -> None:
    assert (trial.origin_text, origin_words(trial)) == (text, words)


@pytest.mark.django_db
def test_a_trials_page_and_the_table_tell_its_origin(client: Client) -> None:
    sweep = factories.sweep(factories.team("Physics", ada="member"))
    first = factories.trial(sweep, state="completed", value=0.5, origin="model")
    second = factories.trial(sweep, origin="rerun", source_number=0)
    ada = member(client)
    assert "Chosen by the model" in page(ada.get(first.get_absolute_url()))
    text = page(ada.get(second.get_absolute_url()))
    assert "Trial 0 run again, with the same values." in text
    assert f'<a href="{first.get_absolute_url()}">Trial 0</a> had 0.5000.' in text
    table = page(ada.get(f"/sweeps/{sweep.pk}/trials/"))
    assert 'title="Chosen by the model: the most promising' in table


@pytest.mark.django_db
def test_hostile_origins_stay_text(client: Client) -> None:
    sweep = factories.sweep(factories.team("Physics", ada="member"))
    trial = factories.trial(sweep, origin='"><script>alert(1)</script>')
    ada = member(client)
    for url in (trial.get_absolute_url(), f"/sweeps/{sweep.pk}/"):
        assert "<script>alert(1)" not in page(ada.get(url))
