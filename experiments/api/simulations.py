"""What other policies would have done with a sweep's trials."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import numpy as np
from django.http import HttpRequest
from ninja import Router, Schema
from numpy.typing import NDArray
from pydantic import Field

from experiments.api.auth import readable_sweep
from experiments.api.errors import WITHOUT_NUL, ApiError, ClosedSchema
from experiments.api.schemas import Number, Seconds, answers, json_number
from experiments.models import Sweep
from experiments.search.fields import DefinitionError, Diagnostics, join
from experiments.search.simulation import Evaluation, Figures, Recording
from experiments.search.simulation.figures import limits_in_words
from experiments.search.termination import read_policy
from experiments.sweeps.savings import TrialPrice
from experiments.tracking.policy_simulations import (
    Answer,
    Question,
    ask,
    mark_named,
    read,
)

router = Router(tags=["sweeps"])

MAX_POLICIES = 8
# Seconds that a call waits for the answer, and for the next call.
MAX_WAIT, KEEP = 10.0, 60.0


class SimulationIn(ClosedSchema):
    policies: Annotated[
        list[dict[str, Any]],
        Field(
            min_length=1,
            max_length=MAX_POLICIES,
            description="each as early_termination in a sweep document",
        ),
    ]
    mark: Annotated[
        str,
        Field(
            pattern=WITHOUT_NUL,
            max_length=100,
            description="of an earlier answer, to go on with the sweep as it was then",
        ),
    ] = ""


class EndOut(Schema):
    """One trial that would have been ended."""

    trial: Annotated[int, Field(description="its number in the sweep")]
    report: Annotated[int, Field(description="the report after which it ends")]
    time: Annotated[datetime, Field(description="when that report came")]


class OutcomeOut(Schema):
    """What came, or would have come, of a policy."""

    policy: dict[str, Any] | None
    in_words: str
    ended: list[EndOut]
    reports_used: int
    reports_saved: int
    seconds_used: Seconds
    seconds_saved: Seconds
    gpu_seconds_saved: Seconds
    money_saved: Annotated[
        float | None, Field(description="null when the pool has no price per hour")
    ]
    saved_share: Annotated[float, Field(description="of the compute, 0 to 1")]
    best_trial: Annotated[int | None, Field(description="number of the best one kept")]
    best_value: float | None
    best_rank: Annotated[
        int | None, Field(description="place of that value among all trials")
    ]
    regret: Annotated[
        Number | None,
        Field(description="how much worse it is than the best of all"),
    ]
    best_ended_rank: Annotated[
        int | None, Field(description="rank of the best trial that is ended")
    ]
    ended_among_best: Annotated[
        int, Field(description="how many of the best tenth are ended")
    ]


class SimulationOut(Schema):
    """Outcomes in the order of the policies; null for those that are not done yet."""

    mark: str
    done: Annotated[
        bool, Field(description="false: send the same again, with the mark")
    ]
    progress: Annotated[float, Field(description="share that is done, 0 to 1")]
    happened: OutcomeOut | None
    outcomes: list[OutcomeOut | None]
    limits: Annotated[list[str], Field(description="what the simulation assumes")]


@router.post("/sweeps/{sweep_id}/simulations", response=answers(200, SimulationOut))
def simulate(request: HttpRequest, sweep_id: int, body: SimulationIn) -> SimulationOut:
    """Simulate other policies on the reports of a sweep; changes nothing.

    A long one answers with ``done: false`` and its progress: send the same again.
    """
    sweep = readable_sweep(request, sweep_id)
    policies = _policies(sweep, body)
    mark = mark_named(sweep, body.mark)
    question = Question.of(sweep, mark, [settings for settings, _ in policies])
    recording, result = read(sweep, mark, keep=KEEP)
    if recording is not None:
        result = ask(sweep, question, keep=KEEP, wait=MAX_WAIT)
    if result.busy:
        raise ApiError(409, "busy", f"{result.busy} Send the same again in a minute.")
    if result.problem:
        raise ApiError(409, "simulation_failed", result.problem)
    out = _Out(sweep, recording) if recording is not None else None
    answers_found = result.answers or [None] * len(policies)
    return SimulationOut(
        mark=str(mark),
        done=recording is not None and result.complete,
        progress=result.done,
        happened=out.happened() if out else None,
        outcomes=[
            out.outcome(answer, *policy) if out and answer is not None else None
            for answer, policy in zip(answers_found, policies, strict=True)
        ],
        limits=limits_in_words(out.evaluation) if out else [],
    )


def _policies(sweep: Sweep, body: SimulationIn) -> list[tuple[dict[str, Any], str]]:
    """Settings and words of each policy. Raises DefinitionError."""
    diagnostics = Diagnostics()
    found = []
    for index, document in enumerate(body.policies):
        path = join("policies", index)
        policy = read_policy(document, sweep.objective, diagnostics, path=path)
        if policy is not None and not diagnostics.problems:
            found.append((policy.settings(), policy.in_words()))
    if diagnostics.problems:
        raise DefinitionError(diagnostics.problems)
    return found


class _Out:
    """Turns the ends of a simulation into an answer."""

    def __init__(self, sweep: Sweep, recording: Recording) -> None:
        self._sweep = sweep
        self._price = TrialPrice.of(sweep)
        self._recording = recording
        self.evaluation = Evaluation(recording)

    def happened(self) -> OutcomeOut:
        ends = self._recording.stopped_after
        policy = self._sweep.early_termination
        return self._outcome(ends, self.evaluation.happened, policy, "what happened")

    def outcome(
        self, answer: Answer, settings: dict[str, Any], words: str
    ) -> OutcomeOut | None:
        if not isinstance(answer, np.ndarray):
            return None
        return self._outcome(answer, self.evaluation.figures(answer), settings, words)

    def _outcome(
        self,
        ends: NDArray[np.int64],
        figures: Figures,
        settings: dict[str, Any] | None,
        words: str,
    ) -> OutcomeOut:
        saved = max(0.0, figures.seconds_all - figures.seconds)
        value = self._sweep.objective.value
        return OutcomeOut(
            policy=settings,
            in_words=words,
            ended=self._ended(ends),
            reports_used=round(figures.reports),
            reports_saved=round(figures.reports_all - figures.reports),
            seconds_used=figures.seconds,
            seconds_saved=saved,
            gpu_seconds_saved=self._price.gpu_seconds(saved),
            money_saved=self._price.money(saved),
            saved_share=figures.saved,
            best_trial=figures.best,
            best_value=None if figures.loss is None else value(figures.loss),
            best_rank=figures.rank,
            regret=json_number(figures.regret),
            best_ended_rank=figures.ended_rank,
            ended_among_best=figures.ended_best,
        )

    def _ended(self, ends: NDArray[np.int64]) -> list[EndOut]:
        recording = self._recording
        return [
            EndOut(
                trial=int(recording.numbers[place]),
                report=int(ends[place]),
                time=datetime.fromtimestamp(
                    recording.moment(place, int(ends[place])), UTC
                ),
            )
            for place in np.flatnonzero(ends).tolist()
        ]
