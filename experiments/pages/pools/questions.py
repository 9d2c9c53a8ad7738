"""What is asked before a host is drained or forgotten: what happens, what stays."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse

from experiments.models import Worker
from experiments.pages.pools.board import Board
from experiments.pages.pools.hosts import Host

# More dialogs than these would make a page heavy; other hosts' links lead to a page.
MOST_DIALOGS = 30
# Characters of the reason for a drain: with who gave it, it fits its column.
MOST_REASON = 200

Question = dict[str, object]


def host_questions(board: Board) -> Sequence[Question]:
    """The dialogs of a page, for an admin: one for each host that has a way out."""
    if not board.user.is_superuser:
        return ()
    open_to_question = [
        host for host in board.hosts if host.silent or not host.draining
    ]
    return [
        forget_question(host.worker) if host.silent else drain_question_of(host)
        for host in open_to_question[:MOST_DIALOGS]
    ]


def drain_question_of(host: Host) -> Question:
    running = sum(cell.seconds is not None for cell in host.cells)
    return drain_question(host.worker, running=running)


def drain_question(worker: Worker, *, running: int, reason: str = "") -> Question:
    """What components/confirm_body.html asks; ``running``: trials that run there,
    ``reason``: what was typed, with what is wrong with it."""
    trials = "1 trial that runs" if running == 1 else f"{running} trials that run"
    goes_on = f"the {trials} there, to the end" if running else "nothing runs there now"
    return {
        **_question(worker, "drain"),
        "title": f"Drain host {worker.name}?",
        "text": "It gets no new trials until somebody lets it take them again.",
        "rows": [
            ("goes on", goes_on),
            ("waits", "trials that no other host of the pool has room for"),
            ("afterwards", "the worker can be stopped without losing anything"),
        ],
        "verb": "Drain host",
        "keep": "Keep it working",
        "reason_label": "Why (optional); everybody who sees the pool reads it. Up to"
        f" {MOST_REASON} characters",
        "reason": reason,
        "reason_error": _reason_error(reason),
    }


def _reason_error(reason: str) -> str:
    if len(reason) <= MOST_REASON:
        return ""
    return (
        f"The reason has {len(reason):,} characters; up to {MOST_REASON} are kept."
        " Shorten it; the host does not drain yet."
    )


def forget_question(worker: Worker) -> Question:
    return {
        **_question(worker, "forget"),
        "title": f"Forget host {worker.name}?",
        "text": "It leaves this page. What ran there is tried again on other slots.",
        "rows": [
            ("stays", "the history of the trials that it ran"),
            ("comes back", "by itself, when its worker is heard of again"),
        ],
        "verb": "Forget host",
        "keep": "Keep it listed",
    }


def _question(worker: Worker, act: str) -> Question:
    return {
        "confirm_id": f"{act}-{worker.pk}",
        "action": reverse(f"host_{act}", args=(worker.pool.name, worker.pk)),
        "keep_url": reverse("pool_detail", args=(worker.pool.name,)),
        "note": "Will be in the audit log",
    }
