"""Replays that somebody waits for: at once, in another process, shared and dropped."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from experiments.models import Sweep
from experiments.search.replay.work import Average
from experiments.simulations import Busy, Desk, Question, Told, trade_off_size
from tests import factories

pytestmark = pytest.mark.django_db

MEDIAN = {"type": "median_stopping", "delay_evaluation": 2}
BANDIT = {"type": "bandit", "slack_factor": 0.05}


@pytest.fixture
def sweep() -> Sweep:
    sweep = factories.sweep(factories.team())
    for level in (0.5, 0.9, 0.4, 0.3):
        factories.reported_trial(sweep, [level] * 4, state="completed")
    return sweep


def asked(desk: Desk, sweep: Sweep, question: Question) -> Told:
    """The answers, asked for until they are complete."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        told = desk.ask(sweep, question, keep=60)
        if told.complete or told.problem:
            return told
    raise AssertionError("no answer within a minute")


def question_of(desk: Desk, sweep: Sweep, *policies: dict[str, Any]) -> Question:
    return Question.of(sweep, desk.mark(sweep, ""), policies)


def test_little_work_is_answered_at_once(sweep: Sweep) -> None:
    desk = Desk()
    told = desk.ask(sweep, question_of(desk, sweep, MEDIAN, BANDIT), keep=1, patience=0)
    assert told.complete and told.done == 1
    assert [np.count_nonzero(answer) for answer in told.answers] == [2, 2]


def test_more_work_is_done_in_another_process_with_the_same_answers(
    sweep: Sweep,
) -> None:
    quick, slow = Desk(), Desk(quick=-1)
    question = question_of(quick, sweep, MEDIAN, BANDIT)
    here, apart = asked(quick, sweep, question), asked(slow, sweep, question)
    for one, other in zip(here.answers, apart.answers, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.django_db(transaction=True)
def test_a_large_sweep_is_read_in_the_background(sweep: Sweep) -> None:
    desk = Desk(few=0)
    mark = desk.mark(sweep, "")
    deadline = time.monotonic() + 60
    found, share = desk.read(sweep, mark, keep=60)
    while found is None and time.monotonic() < deadline:
        assert desk.mark(sweep, str(mark)) == mark
        found, share = desk.read(sweep, mark, keep=60)
    assert found is not None and share == 1
    assert found.size == 16


def test_averages_over_orders_are_answered_too(sweep: Sweep) -> None:
    desk = Desk()
    question = Question.of(
        sweep, desk.mark(sweep, ""), [MEDIAN], orders=3, reports=1_000
    )
    (answer,) = asked(desk, sweep, question).answers
    assert isinstance(answer, Average)
    assert 0 < answer.saved < 1


def test_a_page_stays_with_the_mark_that_it_began_with(sweep: Sweep) -> None:
    desk = Desk()
    before = desk.mark(sweep, "")
    asked(desk, sweep, Question.of(sweep, before, [MEDIAN]))
    factories.reported_trial(sweep, [0.8], state="completed")
    assert desk.mark(sweep, str(before)) == before
    assert desk.mark(sweep, "") != before
    assert desk.mark(sweep, "nonsense") != before


def test_what_fails_in_the_other_process_is_told_in_a_sentence(sweep: Sweep) -> None:
    desk = Desk()
    question = Question.of(
        sweep, desk.mark(sweep, ""), [{"type": "no such"}], orders=10**6, reports=100
    )
    told = asked(desk, sweep, question)
    assert told.problem == "The replay failed; the server's log says why."
    assert not told.complete


def test_too_many_questions_at_one_time_are_refused(sweep: Sweep) -> None:
    desk = Desk(quick=-1, waiting=0)
    with pytest.raises(Busy):
        desk.ask(sweep, question_of(desk, sweep, MEDIAN), keep=1)


def test_work_that_nobody_asks_for_again_is_dropped(sweep: Sweep) -> None:
    desk = Desk(quick=-1)
    question = question_of(desk, sweep, MEDIAN)
    told = desk.ask(sweep, question, keep=-1, patience=30)
    assert not told.complete and not told.problem
    assert asked(desk, sweep, question).complete


def test_a_trade_off_costs_about_the_same_whatever_the_sweep_has(sweep: Sweep) -> None:
    mark = Desk().mark(sweep, "")
    small = mark._replace(reports=1_200)
    assert trade_off_size(small, 40) == (20, 1_200)
    orders, reports = trade_off_size(mark._replace(reports=1_000_000), 40)
    assert orders == 1 and reports < 100_000
