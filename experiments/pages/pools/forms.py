"""Forms for a pool's settings; questions before a host is drained or forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.urls import reverse

from experiments.accounts.pools import check_name
from experiments.code.folders import FoldersField
from experiments.models import Pool, Worker
from experiments.models.fields import VisibleTextForm
from experiments.pages.form_fields import PriceField
from experiments.pages.frame import Confirmation
from experiments.pages.pools.page import PoolsPage
from experiments.search.wording import unseen_problem

# More dialogs would make a page heavy; other hosts' links lead to a page.
MAX_DIALOGS = 30
# Characters of a drain's reason: with its author's name it fits the column.
MAX_REASON = 200


class PoolForm(VisibleTextForm, forms.ModelForm):  # type: ignore[type-arg]
    price_per_hour = PriceField(
        required=False,
        label="Price of one slot for an hour",
        help_text="In your currency, such as 1.2. Leave it empty to show no costs.",
    )
    folders = FoldersField(
        required=False,
        label="Allowed code folders",
        help_text="One per line, such as /srv/code. Sweeps may run code in these"
        " folders of the pool's hosts, and nowhere else. Everybody who may submit a"
        " sweep can read them.",
    )

    class Meta:
        model = Pool
        fields = ("teams", "runners", "price_per_hour", "python", "folders")
        widgets = {
            "teams": forms.CheckboxSelectMultiple,
            "runners": forms.CheckboxSelectMultiple,
            "python": forms.TextInput(attrs={"spellcheck": "false", "class": "mono"}),
        }
        labels = {
            "teams": "Teams that may use it",
            "python": "Python for its trials",
        }


class NewPoolForm(PoolForm):
    class Meta(PoolForm.Meta):
        fields = ("name", *PoolForm.Meta.fields)  # type: ignore[assignment]
        help_texts = {
            "name": "Letters, digits, - and _, such as gpu-a. It cannot be changed: its"
            " workers listen to a queue of that name."
        }

    def clean_name(self) -> str:
        return check_name(self.cleaned_data["name"])


def host_questions(page: PoolsPage) -> Sequence[Confirmation]:
    """An admin's dialogs: forget a silent host, drain another."""
    if not page.user.is_superuser:
        return ()
    open_hosts = [host for host in page.hosts if host.silent or not host.draining]
    return [
        forget_question(host.worker)
        if host.silent
        else drain_question(host.worker, running=host.running)
        for host in open_hosts[:MAX_DIALOGS]
    ]


def drain_question(worker: Worker, *, running: int, reason: str = "") -> Confirmation:
    """``running``: trials that run there; ``reason``: as typed, and checked."""
    trials = "1 trial, which runs" if running == 1 else f"{running} trials, which run"
    return Confirmation(
        confirm_id=f"drain-{worker.pk}",
        title=f"Drain host {worker.name}?",
        text="It gets no new trials until you undo this.",
        rows=[
            ("running now", f"{trials} on it to the end" if running else "no trial"),
            ("waiting", "trials that only this host can run"),
            ("afterwards", "you can stop its worker without losing work"),
        ],
        action=reverse("host_drain", args=(worker.pool.name, worker.pk)),
        verb="Drain host",
        keep="Do not drain it",
        keep_url=reverse("pool_detail", args=(worker.pool.name,)),
        reason_label=f"Reason (optional, up to {MAX_REASON} characters), for everybody"
        " who sees the pool",
        reason=reason,
        reason_error=reason_problem(reason),
    )


def reason_problem(reason: str) -> str:
    """Why a drain's reason is refused; empty if it is not."""
    problem = unseen_problem(reason)
    if len(reason) > MAX_REASON:
        problem = (
            f"The reason has {len(reason):,} characters; up to {MAX_REASON} are"
            " allowed. Shorten it."
        )
    return f"{problem} The host is not draining yet." if problem else ""


def forget_question(worker: Worker) -> Confirmation:
    return Confirmation(
        confirm_id=f"forget-{worker.pk}",
        title=f"Forget host {worker.name}?",
        text="It leaves this page. Its trials are retried on other slots.",
        rows=[
            ("stays", "the history of its trials"),
            ("comes back", "when its worker responds again"),
        ],
        action=reverse("host_forget", args=(worker.pool.name, worker.pk)),
        verb="Forget host",
        keep="Keep it listed",
        keep_url=reverse("pool_detail", args=(worker.pool.name,)),
    )
