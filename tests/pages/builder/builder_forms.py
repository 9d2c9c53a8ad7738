"""What a browser would send from the builder's form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import unescape
from typing import Any

from django.test import Client
from django.urls import reverse

from experiments.models import SavedForm, Team
from experiments.pages.builder.space.parameters import row_data
from tests import factories

RowTexts = Mapping[str, str]
X: RowTexts = {"name": "x", "kind": "uniform", "low": "0", "high": "1"}
BATCH: RowTexts = {
    "name": "batch_size",
    "kind": "choice",
    "values": "16, 32, 64, 128",
}
RATE: RowTexts = {"name": "learning_rate", "kind": "normal", "mu": "10", "sigma": "3"}
KEEP: RowTexts = {
    "name": "keep_probability",
    "kind": "uniform",
    "low": "0.05",
    "high": "0.1",
}


def physics_team() -> Team:
    """The team whose form it is, with a person of every role."""
    return factories.team("Physics", ada="member", victor="viewer", root="admin")


def member(client: Client) -> Client:
    """The browser of a member of the team."""
    physics_team()
    client.force_login(factories.user("ada"))
    return client


def page(response: Any) -> str:
    """The text of an answer."""
    return str(response.content.decode())


def form(rows: Sequence[RowTexts] = (X,), **texts: str) -> dict[str, Any]:
    """The fields of a filled form; a text of "" is a field that was left empty."""
    fields: dict[str, Any] = {
        "team": "physics",
        "form_token": "token-of-this-form",
        "experiment_name": "digits",
        "command": "python train.py",
        "primary_metric": "accuracy",
        "goal": "maximize",
        "sampler": "random",
        "policy": "none",
        "max_total_trials": "4",
        "max_concurrent_trials": "2",
        "compute": "default",
        "do": "save",
        **texts,
        **row_data("row", [dict(row) for row in rows]),
    }
    return {**row_data("constraint", []), **fields}


def send(client: Client, fields: Mapping[str, Any], query: str = "") -> Any:
    """Send the form; unless said otherwise, after what was saved last."""
    saved = SavedForm.objects.filter(discarded_at=None).last()
    version = saved.mark if saved else ""
    address = reverse("sweep_create") + query
    return client.post(address, {"saved_version": version, **fields})


def preview(client: Client, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The answer that the page's scripts get."""
    answer: dict[str, Any] = client.post(reverse("sweep_preview"), fields).json()
    return answer


CARD = re.compile(
    r'data-card="([^"]*)".*?<span class="pick-note">(.*?)</span>'
    r'.*?<span class="pick-why">(.*?)</span>',
    re.DOTALL,
)


def cards(html: str) -> dict[str, tuple[str, str]]:
    """The note and the reason of each card."""
    return {name: (note, unescape(why)) for name, note, why in CARD.findall(html)}


def in_view(html: str) -> list[str]:
    """The cards outside the fold."""
    return list(cards(html.partition("<details")[0]))


def problems(client: Client, fields: Mapping[str, Any]) -> dict[str, str]:
    """Field to sentence."""
    found = preview(client, fields)["problems"]
    return {problem["field"]: problem["message"] for problem in found}


def wrong_fields(response: Any) -> set[str]:
    """The fields whose problems the page shows."""
    return {problem.field for problem in response.context["problems"]}


def texts_of(response: Any) -> Mapping[str, str]:
    """What the page's form has in its fields."""
    found: Mapping[str, str] = response.context["form"].texts
    return found


def rows_of(response: Any) -> list[dict[str, str]]:
    """What the page's form has in its rows, without empty texts."""
    return [row.texts for row in response.context["form"].rows]
