"""A sweep's search space is changed while it runs."""

from __future__ import annotations

from typing import Any

import pytest

from experiments import lifecycle
from experiments.models import Event, Sweep, Trial
from experiments.scheduling import rounds
from experiments.search.fields import DefinitionError
from experiments.search.space.space import SearchSpace
from experiments.sweeps import editing
from experiments.tracking import history
from experiments.tracking.history import search_of
from experiments.tracking.spaces import began_at, no_longer_counted, version_of
from tests import factories

pytestmark = pytest.mark.django_db

WIDE = {"type": "uniform", "min_value": 0.0, "max_value": 1.0}
UPPER = {"type": "uniform", "min_value": 0.5, "max_value": 1.0}
GRID = {"a": "choice(1, 2, 3)", "b": "choice(10, 20)"}


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    history.forget_all()


def sweep(space: dict[str, Any] | None = None, **changes: Any) -> Sweep:
    names = space or {"x": WIDE}
    command = " ".join(f"${{{{search_space.{name}}}}}" for name in list(names)[:1])
    document = factories.definition_document(
        search_space=names,
        trial={"command": f"python train.py {command}"},
        limits={"max_total_trials": 20, "max_concurrent_trials": 20},
        **changes,
    )
    made = factories.sweep(factories.team(ada="member"), document=document)
    factories.worker(made.pool, slots=50)
    return made


def change(made: Sweep, space: dict[str, Any], **changes: Any) -> None:
    editing.change_sweep(
        made, {"search_space": space, **changes}, actor=factories.user("ada")
    )


def ended(made: Sweep, x: float, value: float) -> Trial:
    return factories.trial(made, params={"x": x}, state="completed", value=value)


def drawn(made: Sweep, count: int) -> list[dict[str, Any]]:
    """The values of so many more trials, one after the other."""
    found = []
    for _ in range(count):
        trial = factories.place_trial(Sweep.objects.get(pk=made.pk))
        if trial is None:
            break
        attempt = factories.claim(trial).attempt
        factories.report(trial, [0.5])
        lifecycle.finish_attempt(attempt, lifecycle.Outcome("exited", exit_code=0))
        found.append(trial.params)
    return found


class TestStored:
    def test_the_old_space_is_kept_with_its_trials_and_author(self) -> None:
        made = sweep()
        ended(made, 0.1, 0.5)
        ended(made, 0.7, 0.6)
        change(made, {"x": UPPER}, constraints=["x < 0.9"])
        assert made.space_version == 2
        assert made.definition["search_space"]["x"]["min_value"] == 0.5
        assert made.definition["constraints"] == ["x < 0.9"]
        kept = made.space_versions.get()
        assert (kept.version, kept.until) == (1, 2)
        assert kept.document["search_space"]["x"]["min_value"] == 0.0
        assert kept.changed_by == factories.user("ada")
        assert [trial.params for trial in made.trials.all()] == [{"x": 0.1}, {"x": 0.7}]

    def test_trials_know_which_version_they_are_of(self) -> None:
        made = sweep()
        ended(made, 0.1, 0.5)
        change(made, {"x": UPPER})
        ended(made, 0.6, 0.5)
        change(made, {"x": WIDE})
        ended(made, 0.2, 0.5)
        assert [version_of(made, n) for n in range(3)] == [1, 2, 3]
        assert began_at(made) == 2

    def test_without_a_trial_the_space_is_replaced_and_no_version_kept(self) -> None:
        made = sweep()
        change(made, {"x": UPPER})
        assert made.space_version == 1 and not made.space_versions.exists()
        assert 0.5 <= drawn(made, 1)[0]["x"] <= 1

    def test_the_event_tells_old_and_new(self) -> None:
        made = sweep()
        ended(made, 0.1, 0.5)
        change(made, {"x": UPPER})
        event = Event.objects.get(sweep=made, verb="sweep changed")
        assert event.message == (
            "New search space from trial 1 on: x: uniform 0 to 1 → uniform 0.5 to 1."
        )
        assert event.before["search_space"]["x"]["min_value"] == 0.0
        assert event.after["search_space"]["x"]["min_value"] == 0.5

    def test_the_same_space_again_changes_nothing(self) -> None:
        made = sweep()
        ended(made, 0.1, 0.5)
        change(made, {"x": {"type": "uniform", "min_value": 0, "max_value": 1}})
        assert made.space_version == 1
        assert not Event.objects.filter(verb="sweep changed").exists()

    @pytest.mark.parametrize(
        ("changes", "path"),
        [
            ({"search_space": {"y": WIDE}}, "trial.command"),
            ({"search_space": {"x": {"type": "luck"}}}, "search_space.x.type"),
            ({"constraints": ["y < 3"]}, "constraints.0"),
            ({"constraints": ["x > 2"]}, "constraints"),
        ],
    )
    def test_a_space_that_cannot_be_changes_nothing(
        self, changes: dict[str, Any], path: str
    ) -> None:
        made = sweep()
        ended(made, 0.1, 0.5)
        with pytest.raises(DefinitionError) as refusal:
            editing.change_sweep(made, changes, actor=None)
        assert path in refusal.value.by_path()
        made.refresh_from_db()
        assert made.space_version == 1

    def test_an_ended_sweep_keeps_its_space(self) -> None:
        made = sweep()
        lifecycle.cancel_sweep(made)
        with pytest.raises(DefinitionError, match="The sweep is cancelled"):
            change(made, {"x": UPPER})

    def test_a_trial_chosen_from_the_old_space_is_not_stored_after_the_change(
        self,
    ) -> None:
        made = sweep()
        ended(made, 0.1, 0.5)
        scheduler = Sweep.objects.get(pk=made.pk)
        change(made, {"x": UPPER})
        late = lifecycle.create_trial(
            scheduler, number=1, params={"x": 0.2}, origin="random"
        )
        assert late is None and made.trials.count() == 1
        lifecycle.mark_exhausted(scheduler)
        made.refresh_from_db()
        assert not made.exhausted


class TestLearning:
    def test_only_trials_inside_the_new_space_are_learnt_from(self) -> None:
        made = sweep(sampling_algorithm={"type": "bayesian", "seed": 1})
        for x in (0.1, 0.6, 0.8, 0.95):
            ended(made, x, x)
        with search_of(made) as search:
            assert (len(search.history), search.history.outside) == (4, 0)
        change(made, {"x": UPPER}, constraints=["x < 0.9"])
        with search_of(Sweep.objects.get(pk=made.pk)) as search:
            assert search.history.numbers.tolist() == [1, 2]
            assert search.history.outside == 2
        ended(made, 0.7, 0.9)
        with search_of(Sweep.objects.get(pk=made.pk)) as search:
            assert search.history.numbers.tolist() == [1, 2, 4]
        assert all(0.5 <= each["x"] < 0.9 for each in drawn(made, 3))

    @pytest.mark.parametrize("kind", ["bayesian", "tpe", "cmaes", "auto"])
    def test_every_model_goes_on_in_a_space_with_other_parameters(
        self, kind: str
    ) -> None:
        made = sweep({"x": WIDE, "y": WIDE}, sampling_algorithm={"type": kind})
        for k in range(12):
            old = {"x": k / 12, "y": 1 - k / 12}
            factories.trial(made, params=old, state="completed", value=k / 12)
        change(made, {"x": UPPER, "z": "choice(1, 2)"})
        params = drawn(made, 4)
        assert all(set(each) == {"x", "z"} for each in params)
        with search_of(Sweep.objects.get(pk=made.pk)) as search:
            # None of the old ones has a value for z.
            assert search.history.outside == 12

    def test_values_of_a_parameter_that_is_gone_are_passed_over(self) -> None:
        made = sweep(
            {"x": WIDE, "y": WIDE}, sampling_algorithm={"type": "tpe", "seed": 1}
        )
        factories.trial(made, params={"x": 0.2, "y": 0.3}, state="completed", value=1)
        change(made, {"x": WIDE})
        with search_of(Sweep.objects.get(pk=made.pk)) as search:
            assert search.history.points.tolist() == [[0.2]]

    def test_it_is_foretold_how_many_no_longer_count(self) -> None:
        made = sweep()
        for x in (0.1, 0.6, 0.8):
            ended(made, x, x)
        space = SearchSpace.parse({"x": UPPER})
        assert no_longer_counted(made, space) == (1, 3)
        assert not Event.objects.filter(verb="sweep changed").exists()


class TestGoingThrough:
    @pytest.mark.parametrize("kind", ["grid", "sobol", "random"])
    def test_a_finite_space_is_gone_through_without_what_was_tried(
        self, kind: str
    ) -> None:
        made = sweep(GRID, sampling_algorithm={"type": kind, "seed": 5})
        before = drawn(made, 3)
        change(made, {**GRID, "a": "choice(1, 2, 3, 4)"})
        after = drawn(made, 20)
        assert len(before) == 3 and len(after) == 5
        everything = {(each["a"], each["b"]) for each in before + after}
        assert everything == {(a, b) for a in (1, 2, 3, 4) for b in (10, 20)}
        made.refresh_from_db()
        assert made.exhausted

    def test_a_space_that_was_exhausted_is_not_after_it_grew(self) -> None:
        made = sweep(GRID, sampling_algorithm="grid")
        assert len(drawn(made, 20)) == 6
        made.refresh_from_db()
        assert made.exhausted
        change(made, {**GRID, "a": "choice(1, 2, 3, 4)"})
        assert not made.exhausted
        assert [each["a"] for each in drawn(made, 20)] == [4, 4]

    def test_a_smaller_space_ends_when_all_of_it_was_tried(self) -> None:
        made = sweep(GRID, sampling_algorithm="grid")
        drawn(made, 2)
        change(made, {**GRID, "a": "choice(1)"})
        assert drawn(made, 5) == []
        made.refresh_from_db()
        assert made.exhausted
        rounds.settle(made)
        assert (made.state, made.reason) == ("completed", "exhausted")

    def test_what_is_asked_for_meanwhile_takes_no_place_of_the_grid(self) -> None:
        made = sweep(GRID, sampling_algorithm="grid")
        drawn(made, 2)
        change(made, {**GRID, "a": "choice(1, 2, 3, 4)"})
        first = drawn(made, 1)
        factories.trial(made, params={"a": 1, "b": 10}, state="completed", value=0.5)
        made.trials.filter(number=3).update(origin="rerun", source_number=0)
        assert first + drawn(made, 1) == [{"a": 2, "b": 10}, {"a": 2, "b": 20}]

    @pytest.mark.parametrize("kind", ["sobol", "random"])
    def test_an_endless_stream_goes_on_where_it_was(self, kind: str) -> None:
        settings = {"type": kind, "seed": 5}
        made, plain = (
            sweep(sampling_algorithm=settings),
            sweep(sampling_algorithm=settings),
        )
        before = drawn(made, 4)
        change(made, {"x": UPPER})
        after = drawn(made, 4)
        whole = [each["x"] for each in drawn(plain, 8)]
        assert [each["x"] for each in before] == whole[:4]
        assert [each["x"] for each in after] == pytest.approx(
            [0.5 + x / 2 for x in whole[4:]]
        )
