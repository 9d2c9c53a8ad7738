"""How far a replay can be trusted, in words."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.search.figures import counted
from experiments.search.history import CANCELLED, COMPLETED, FAILED, PENDING
from experiments.search.replay.figures import Weighing
from experiments.search.replay.recording import Recording

CURVES = "Their curves stop"
STATES: Mapping[int, str] = {PENDING: "still running", FAILED: "failed"}


def limits_in_words(weighing: Weighing) -> list[str]:
    """What a replay of the recording takes for granted, a sentence each."""
    recording = weighing.recording
    found = []
    stopped = int((recording.stopped_after > 0).sum())
    if stopped:
        was, them = ("was", "Its curve stops") if stopped == 1 else ("were", CURVES)
        found.append(
            f"{counted(stopped, 'trial')} {was} really ended early. {them} there: where"
            f" a policy would let one go on, it is taken to run for"
            f" {counted(weighing.usual, 'report')}, as completed trials do in the"
            " median, and its value stays what it had reached."
        )
    exempt = int(recording.exempt.sum())
    if exempt:
        was, its = ("was", "its") if exempt == 1 else ("were", "their")
        found.append(
            f"{counted(exempt, 'trial')} {was} asked to run to {its} end, so no"
            " policy is asked here either."
        )
    others = _others_in_words(recording)
    if others:
        found.append(f"{others}: replayed up to their last report.")
    found.append(
        "Reports come in the order in which they really came. A trial does not start"
        " earlier because another one ends earlier, and the sampler does not learn of"
        " the ends: what would have been tried instead is not known."
    )
    return found


def _others_in_words(recording: Recording) -> str:
    """`3 still running, 2 failed`: trials without an end of their own."""
    loose = (recording.stopped_after == 0) & (recording.states != COMPLETED)
    counts = {code: int((recording.states[loose] == code).sum()) for code in STATES}
    counts[CANCELLED] = int(loose.sum()) - sum(counts.values())
    words = {**STATES, CANCELLED: "cancelled"}
    return ", ".join(f"{n:,} {words[code]}" for code, n in counts.items() if n)
