"""What every policy keeps to. A policy's tests subclass one of the contracts."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.fields import DefinitionError
from experiments.search.records import Objective
from experiments.search.termination import Policy, make_policy
from experiments.search.termination.evidence import Verdict
from tests.search.termination.scanned import judged, losses, standing

MAXIMIZE = Objective("accuracy", "maximize")
MINIMIZE = Objective("loss", "minimize")
CURVES = st.lists(
    st.floats(-10, 10).map(lambda x: round(x, 3)) | st.just(math.nan),
    min_size=6,
    max_size=6,
)


class PolicyContract:
    """Subclasses name valid settings of their policy.

    `checks` are the first reports at which it can be asked, all unless said. A policy
    is symmetric when it decides the same about mirrored values and the other goal.
    """

    settings: ClassVar[Mapping[str, object]]
    checks: ClassVar[Collection[int]] = range(1, 1000)
    symmetric: ClassVar[bool] = True

    def make(self, objective: Objective = MAXIMIZE, **more: object) -> Policy:
        policy = make_policy({**self.settings, **more}, objective)
        assert policy is not None
        return policy

    def test_its_settings_are_canonical(self) -> None:
        policy = self.make(evaluation_interval=2, delay_evaluation=6, min_rivals=3)
        settings = policy.settings()
        assert settings == {**settings, **self.settings}
        assert json.loads(json.dumps(settings)) == settings
        again = make_policy(settings, MAXIMIZE)
        assert again == policy and again.settings() == settings
        assert {"evaluation_interval", "delay_evaluation", "min_rivals"} < set(settings)

    @pytest.mark.parametrize(
        ("interval", "delay", "reports"),
        [
            (1, 0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            (0, 0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            (None, None, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            (2, 0, [2, 4, 6, 8, 10, 12]),
            (1, 5, [5, 6, 7, 8, 9, 10, 11, 12]),
            (1, 10, [10, 11, 12]),
            (2, 5, [6, 8, 10, 12]),
            (2, 6, [6, 8, 10, 12]),
            (5, 10, [10]),
        ],
    )
    def test_it_checks_these_reports(
        self, interval: int | None, delay: int | None, reports: list[int]
    ) -> None:
        policy = self.make(evaluation_interval=interval, delay_evaluation=delay)
        asked = [n for n in reports if n in self.checks]
        assert [n for n in range(1, 13) if policy.due(n)] == asked
        assert not policy.due(0)

    def test_a_long_interval_begins_at_the_delay(self) -> None:
        policy = self.make(evaluation_interval=100, delay_evaluation=200)
        asked = [n for n in range(500) if policy.due(n)]
        assert asked == [n for n in (200, 300, 400) if n in self.checks]

    @given(
        interval=st.integers(0, 7), delay=st.integers(0, 20), report=st.integers(0, 30)
    )
    def test_the_next_check_is_the_next_report_that_it_checks(
        self, interval: int, delay: int, report: int
    ) -> None:
        policy = self.make(evaluation_interval=interval, delay_evaluation=delay)
        later = (n for n in range(report + 1, 100) if policy.due(n))
        following = policy.next_check(report)
        if following is not None and following >= 100:
            following = None
        assert following == next(later, None)

    @given(curves=st.lists(CURVES, min_size=1, max_size=9), report=st.integers(1, 6))
    def test_both_goals_mirror_each_other(
        self, curves: list[list[float]], report: int
    ) -> None:
        up = self.mirrored(MAXIMIZE, curves, report, 1)
        down = self.mirrored(MINIMIZE, curves, report, -1)
        if self.symmetric:
            assert up.stop == down.stop
            assert up.setters == down.setters
            if up.threshold is not None:
                assert down.threshold == -up.threshold
        assert up.rivals == down.rivals and up.report == down.report == report

    def mirrored(
        self, objective: Objective, curves: list[list[float]], report: int, sign: int
    ) -> Verdict:
        own, *others = [[sign * value for value in curve] for curve in curves]
        return judged(
            self.make(objective), own[:report], dict(enumerate(others, start=1))
        )

    @pytest.mark.parametrize("objective", [MAXIMIZE, MINIMIZE])
    @given(curves=st.lists(CURVES, min_size=1, max_size=9), report=st.integers(1, 6))
    def test_a_verdict_says_all_that_it_rests_on(
        self, objective: Objective, curves: list[list[float]], report: int
    ) -> None:
        own, *others = curves
        verdict = judged(
            self.make(objective), own[:report], dict(enumerate(others, start=1))
        )
        assert verdict.report == report
        assert verdict.rivals == len(others)
        assert set(verdict.setters) <= set(range(1, len(curves)))
        for number in (verdict.value, verdict.threshold):
            assert number is None or math.isfinite(number)
        start = "Ended after report" if verdict.stop else "Kept at report"
        assert verdict.reason.startswith(f"{start} {report}")
        assert verdict.reason.endswith(".") and "\n" not in verdict.reason
        assert "nan" not in verdict.reason and "inf" not in verdict.reason
        json.dumps(asdict(verdict), allow_nan=False)

    def test_it_has_a_name_in_words(self) -> None:
        assert self.make(delay_evaluation=5).in_words().endswith(" from report 5 on")
        assert "every 2nd report" in self.make(evaluation_interval=2).in_words()
        plain = self.make().in_words()
        assert plain and not plain.endswith(" from report 5 on")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("evaluation_interval", -1),
            ("evaluation_interval", 1.5),
            ("delay_evaluation", -1),
            ("delay_evaluation", "5"),
            ("min_rivals", -1),
            ("on_missing", "worse"),
            ("evaluation_intervall", 1),
        ],
    )
    def test_a_bad_field_is_a_problem_at_its_path(
        self, field: str, value: object
    ) -> None:
        with pytest.raises(DefinitionError) as caught:
            self.make(**{field: value})
        assert list(caught.value.by_path()) == [f"early_termination.{field}"]

    @pytest.mark.parametrize("objective", [MAXIMIZE, MINIMIZE])
    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_a_missing_value_ends_a_trial_if_on_missing_says_so(
        self, objective: Objective, value: float
    ) -> None:
        policy = self.make(objective, on_missing="stop")
        verdict = judged(policy, [0.5, 0.5, value], {})
        assert verdict.stop
        assert verdict.reason == (
            "Ended after report 3: it is not a finite number, and on_missing is stop."
        )
        earlier = judged(policy, [0.5, value, 0.6], {})
        assert "on_missing" not in earlier.reason

    @pytest.mark.parametrize("objective", [MAXIMIZE, MINIMIZE])
    def test_a_missing_value_can_be_ignored(self, objective: Objective) -> None:
        policy = self.make(objective, on_missing="ignore")
        others = {k: [0.5, 0.5, 0.5] for k in range(1, 9)}
        verdict = judged(policy, [math.nan] * 3, others)
        assert not verdict.stop
        assert verdict.reason == (
            "Kept at report 3: it is not a finite number, and on_missing is ignore."
        )


class ComparingContract(PolicyContract):
    """Of policies that compare a trial with others."""

    @pytest.mark.parametrize("objective", [MAXIMIZE, MINIMIZE])
    @given(curves=st.lists(CURVES, min_size=1, max_size=9), report=st.integers(1, 6))
    def test_the_leader_and_its_equals_go_on(
        self, objective: Objective, curves: list[list[float]], report: int
    ) -> None:
        stands = [standing(losses(objective, curve[:report])) for curve in curves]
        leader = min(range(len(curves)), key=lambda index: stands[index].best)
        others = {k: curve for k, curve in enumerate(curves) if k != leader}
        assert not judged(self.make(objective), curves[leader][:report], others).stop
        twins = {**others, 99: curves[leader]}
        assert not judged(self.make(objective), curves[leader][:report], twins).stop

    @pytest.mark.parametrize("min_rivals", [1, 3])
    def test_without_enough_rivals_every_trial_continues(self, min_rivals: int) -> None:
        policy = self.make(min_rivals=min_rivals)
        others = {k: [0.9, 0.9, 0.9] for k in range(1, min_rivals)}
        verdict = judged(policy, [0.1, 0.1, 0.1], others)
        assert not verdict.stop
        assert verdict.threshold is None and verdict.setters == ()
        assert str(len(others) or "none") in verdict.reason

    @pytest.mark.parametrize("objective", [MAXIMIZE, MINIMIZE])
    def test_trials_without_any_value_do_not_end_each_other(
        self, objective: Objective
    ) -> None:
        silent = [math.nan, math.inf, -math.inf]
        verdict = judged(
            self.make(objective), silent, dict.fromkeys(range(1, 9), silent)
        )
        assert not verdict.stop
        assert verdict.value is None and verdict.threshold is None

    @pytest.mark.parametrize("objective", [MAXIMIZE, MINIMIZE])
    def test_a_trial_without_a_value_is_worse_than_any_other(
        self, objective: Objective
    ) -> None:
        others = {k: [0.5, 0.5, 0.5] for k in range(1, 9)}
        verdict = judged(self.make(objective), [math.nan] * 3, others)
        assert verdict.stop
        assert verdict.value is None and verdict.threshold is not None
        assert "no finite value" in verdict.reason

    def test_at_least_one_rival_is_needed(self) -> None:
        with pytest.raises(DefinitionError) as caught:
            self.make(min_rivals=0)
        assert list(caught.value.by_path()) == ["early_termination.min_rivals"]
