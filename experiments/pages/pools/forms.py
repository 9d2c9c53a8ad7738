"""A pool's settings as a form of the site.

What is asked before a host is drained or forgotten: what happens, what stays.
"""

from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse

from experiments.code.folders import FoldersField
from experiments.models import Pool, Worker
from experiments.pages.form_fields import PriceField
from experiments.pages.pools.hosts import HostCard
from experiments.pages.pools.page import PoolsPage

# Words that follow /pools/ in other addresses.
RESERVED_NAMES = frozenset({"new"})


class PoolForm(forms.ModelForm):  # type: ignore[type-arg]
    price_per_hour = PriceField(
        required=False,
        label="Price of one slot for an hour",
        help_text="In your currency, such as 1.2. Empty: time is not counted as money.",
    )
    folders = FoldersField(
        required=False,
        label="Allowed code folders",
        help_text="One a line, such as /srv/code. Sweeps may run code where it lies in"
        " these folders of the pool's hosts, and nowhere else: whoever may submit"
        " one can read what lies there.",
    )

    class Meta:
        model = Pool
        fields = ("teams", "price_per_hour", "python", "folders")
        widgets = {
            "teams": forms.CheckboxSelectMultiple,
            "python": forms.TextInput(attrs={"spellcheck": "false", "class": "mono"}),
        }
        labels = {
            "teams": "Teams that may use it",
            "python": "Python of its trials",
        }


class NewPoolForm(PoolForm):
    class Meta(PoolForm.Meta):
        fields = ("name", *PoolForm.Meta.fields)  # type: ignore[assignment]
        help_texts = {
            "name": "Letters, digits, - and _, such as gpu-a. It is fixed from then on:"
            " its workers listen to a queue of that name."
        }

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name in RESERVED_NAMES:
            raise ValidationError(f"{name!r} is taken by a page. Choose another name.")
        return name


# More dialogs than these would make a page heavy; other hosts' links lead to a page.
MAX_DIALOGS = 30
# Characters of the reason for a drain: with who gave it, it fits its column.
MAX_REASON = 200

Question = dict[str, object]


def host_questions(page: PoolsPage) -> Sequence[Question]:
    """The dialogs of a page, for an admin: one for each host that has a way out."""
    if not page.user.is_superuser:
        return ()
    open_to_question = [host for host in page.hosts if host.silent or not host.draining]
    return [
        forget_question(host.worker) if host.silent else drain_question_of(host)
        for host in open_to_question[:MAX_DIALOGS]
    ]


def drain_question_of(host: HostCard) -> Question:
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
        f" {MAX_REASON} characters",
        "reason": reason,
        "reason_error": _reason_error(reason),
    }


def _reason_error(reason: str) -> str:
    if len(reason) <= MAX_REASON:
        return ""
    return (
        f"The reason has {len(reason):,} characters; up to {MAX_REASON} are kept."
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
