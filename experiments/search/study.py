"""A sweep in one process: ask for a trial, report while it runs, tell its end.

    study = Study(
        search_space={"x": {"type": "uniform", "min_value": -1, "max_value": 1}},
        sampling_algorithm={"type": "random", "seed": 1},
        objective={"primary_metric": "loss", "goal": "minimize"},
    )
    trial = study.ask()
    decision = study.report(trial.number, step=1, value=0.7)
    study.tell(trial.number, value=0.42, state="completed")

The web application uses the same samplers and policies on rows of its database.

Parameters may have any name, such as `num.impute.cpo`: a study has no command to fill
in, so names need not be letters, digits and underscores as in a sweep document.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from experiments.search.document.plan import read_objective, read_plan
from experiments.search.fields import Diagnostics, Fields, listed
from experiments.search.forecasts import (
    Cut,
    Expectations,
    cut_of,
    gain_model_of,
)
from experiments.search.history import History
from experiments.search.recommendations import suited_policy
from experiments.search.records import FINAL_STATES, JSONValue, Params, TrialRecord
from experiments.search.samplers import fresh_seed
from experiments.search.space.document import NAME
from experiments.search.standings import Standings
from experiments.search.termination import read_policy
from experiments.search.termination.evidence import Verdict

ODD = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True)
class CallerNames:
    """The caller's names of parameters, by their plain names in the space."""

    own: Mapping[str, str]

    @classmethod
    def of(cls, search_space: object) -> CallerNames:
        """The names of a space that is a mapping; none for text."""
        own: dict[str, str] = {}
        given = search_space if isinstance(search_space, Mapping) else {}
        taken = {name for name in given if isinstance(name, str)}
        for name in given:
            if isinstance(name, str) and name and not NAME.fullmatch(name):
                plain = _free(ODD.sub("_", name), taken)
                taken.add(plain)
                own[plain] = name
        return cls(own)

    def plain_space(self, search_space: object) -> object:
        """The space with plain names, in conditions too."""
        if not self.own or not isinstance(search_space, Mapping):
            return search_space
        plain = {own: name for name, own in self.own.items()}
        return {
            plain.get(name, name): _plain_conditions(entry, plain)
            for name, entry in search_space.items()
        }

    def restored(self, params: Params) -> dict[str, JSONValue]:
        """A configuration with the caller's names."""
        return {self.own.get(name, name): value for name, value in params.items()}


def _free(name: str, taken: set[str]) -> str:
    name = name if NAME.fullmatch(name) else f"_{name}"
    while name in taken:
        name += "_"
    return name


def _plain_conditions(entry: object, plain: Mapping[str, str]) -> object:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("when"), Mapping):
        return entry
    when = {plain.get(name, name): value for name, value in entry["when"].items()}
    return {**entry, "when": when}


# The finished trials are seen from no trial.
NO_TRIAL = -1


def _never(report: int) -> bool:
    """Without a policy no report is judged."""
    return False


@dataclass(frozen=True)
class SuggestedTrial:
    """A configuration to try: its number from 0, its values and their origin."""

    number: int
    params: Params
    origin: str


class StudyError(ValueError):
    """A call that does not fit the state of the study."""


class Study:
    """A sweep whose trials the caller runs, any number of them at a time.

    The arguments are the sweep document's mappings. Raises DefinitionError if they are
    not valid, and StudyError for a trial that is not running.
    """

    def __init__(
        self,
        *,
        search_space: Mapping[str, object] | str,
        objective: Mapping[str, object],
        sampling_algorithm: Mapping[str, object] | str | None = None,
        constraints: Sequence[str] | None = None,
        early_termination: Mapping[str, object] | str | None = None,
        max_total_trials: int | None = None,
        new_seed: Callable[[], int] = fresh_seed,
    ) -> None:
        diagnostics = Diagnostics()
        self.objective = read_objective(Fields.of(objective, "objective", diagnostics))
        self._names = CallerNames.of(search_space)
        self.plan = read_plan(
            self._names.plain_space(search_space),
            sampling_algorithm,
            diagnostics,
            constraints=constraints,
            new_seed=new_seed,
        )
        self._policy = read_policy(
            early_termination,
            self.objective,
            diagnostics,
            path="early_termination",
            auto=suited_policy(
                self.plan.settings.get("type"), timed=max_total_trials is None
            ),
        )
        diagnostics.raise_if_any()
        self._sampler = self.plan.sampler(
            budget=max_total_trials,
            explores=self._policy is not None and self._policy.explores,
        )
        self._history = History(self.plan.space, self.objective)
        self._expectations = Expectations(self._history)
        self._standings = Standings(self._policy.due if self._policy else _never)
        # The cuts of trials that did not run to their end, and the trials that have
        # reported since.
        self._cuts: dict[int, Cut] = {}
        self._reported: set[int] = set()
        self._trials: dict[int, TrialRecord] = {}

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """Every trial so far, by number."""
        return tuple(self._trials.values())

    @property
    def best(self) -> TrialRecord | None:
        """The best of the trials that ended and did not fail; the first in a tie."""
        ended = (
            (self.objective.loss(trial.value), trial.number)
            for trial in self._trials.values()
            if trial.value is not None and trial.state not in ("running", "failed")
        )
        _, number = min(ended, default=(0.0, -1))
        return self._trials.get(number)

    @property
    def reached_target(self) -> bool:
        """Whether a trial has a value at least as good as the objective's target."""
        return any(
            trial.value is not None
            and trial.state != "failed"
            and self.objective.reached(trial.value)
            for trial in self._trials.values()
        )

    def ask(self) -> SuggestedTrial | None:
        """The next trial, which is then running.

        None if the space is exhausted, or if a trial has reached the target.
        """
        if self.reached_target:
            return None
        number = len(self._trials)
        if self._sampler.needs_history:
            self._expect()
        suggestion = self._sampler.suggest(number, self._history)
        if suggestion is None:
            return None
        params = self._names.restored(suggestion.params)
        self._trials[number] = TrialRecord(number, params, "running", None)
        self._history.start(number, suggestion.params)
        self._standings.start(number)
        return SuggestedTrial(number, params, suggestion.origin)

    def _expect(self) -> None:
        """Update the losses to expect of trials that did not run to their end."""
        for number in self._reported:
            self._cuts[number] = cut_of(self._standings.losses(number))
        self._reported.clear()
        gain_model = self._standings.finished(NO_TRIAL).derived(gain_model_of)
        self._expectations.refresh(gain_model, self._cuts)

    def report(self, number: int, *, step: int, value: float) -> Verdict:
        """Report a value of the primary metric; returns whether the trial should stop.

        Policies count reports: `step` is for the caller. NaN or infinity counts as a
        report without a value.
        """
        trial = self._running(number)
        evidence = self._standings.report(number, self.objective.loss(value))
        self._reported.add(number)
        own = self._standings.standing(number)
        if not own.silent:
            best = self.objective.value(own.best)
            self._trials[number] = trial = replace(trial, value=best)
        self._history.update(
            number, state=trial.state, value=trial.value, reports=own.report
        )
        if self._policy is not None and evidence is not None:
            return self._policy.judge(evidence)
        reason = self._why_unjudged(own.report)
        return Verdict(False, own.report, trial.value, None, 0, (), reason)

    def _why_unjudged(self, report: int) -> str:
        if self._policy is None:
            return "There is no early termination."
        due = self._policy.next_check(report)
        if due is None:
            return f"Not judged at report {report} or later."
        return f"Not judged at report {report}: the next check is at {due}."

    def tell(
        self, number: int, *, value: float | None = None, state: str = "completed"
    ) -> TrialRecord:
        """End a trial: completed, terminated, cancelled or failed.

        Without a finite `value` the trial's value is the best that it reported.
        """
        trial = self._running(number)
        if state not in FINAL_STATES:
            allowed = listed(FINAL_STATES, last="or")
            raise StudyError(f"A trial ends {allowed}, not {state!r}.")
        if value is None or not math.isfinite(value):
            value = trial.value
        self._standings.finish(number, completed=state == "completed")
        if state in ("completed", "failed"):
            self._reported.discard(number)
            self._cuts.pop(number, None)
        self._trials[number] = replace(trial, value=value, state=state)
        self._history.update(number, state=state, value=value)
        return self._trials[number]

    def _running(self, number: int) -> TrialRecord:
        trial = self._trials.get(number)
        if trial is None:
            raise StudyError(f"There is no trial {number}.")
        if trial.state != "running":
            raise StudyError(f"Trial {number} has already ended: {trial.state}.")
        return trial
