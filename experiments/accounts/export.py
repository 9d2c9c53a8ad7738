"""All that the site keeps about a person, as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

from experiments.models import (
    Event,
    ExperimentWatch,
    NotificationDelivery,
    ReportLink,
    Run,
    SavedForm,
    SavedView,
    Sweep,
    SweepTemplate,
    User,
)

CHUNK = 1000
PROFILE = (
    *("username", "first_name", "last_name", "email", "time_zone", "theme"),
    *("date_joined", "last_login", "is_superuser"),
)
TOKEN = (
    *("name", "scope", "team__name", "prefix", "created_at", "expires_at"),
    *("last_used_at", "last_address", "last_program", "revoked_at"),
)
EVENT = (
    *("created_at", "verb", "object_kind", "object_name", "message", "team_name"),
    *("via", "address"),
)


def export_of(person: User) -> Iterator[str]:
    """The document in parts. Secrets are not in it: only their hashes are stored."""
    profile = {name: getattr(person, name) for name in PROFILE}
    yield f'{{"profile": {_json(profile)}'
    for name, rows in _tables(person).items():
        yield f',\n"{name}": ['
        for number, row in enumerate(rows):
            yield f"{',' if number else ''}\n{_json(row)}"
        yield "]"
    yield "}\n"


def _tables(person: User) -> Mapping[str, Iterable[Mapping[str, Any]]]:
    sweeps = Sweep.objects.filter(created_by=person)
    return {
        "teams": person.memberships.values("team__name", "role", "created_at"),
        "tokens": person.api_tokens.values(*TOKEN),
        "sessions": person.browser_sessions.values(
            "address", "browser", "started_at", "seen_at"
        ),
        "sweeps": _rows(
            sweeps, "id", "experiment__name", "number", "name", "created_at"
        ),
        "runs": _rows(
            Run.objects.filter(created_by=person), "trial_id", "trial__experiment__name"
        ),
        "templates": _rows(SweepTemplate.objects.filter(created_by=person), "name"),
        "unsent_forms": _rows(
            SavedForm.objects.filter(user=person), "key", "data", "updated_at"
        ),
        "views": _rows(
            SavedView.objects.filter(owner=person), "experiment__name", "name", "query"
        ),
        "report_links": _rows(
            ReportLink.objects.filter(created_by=person),
            *("sweep_id", "meant_for", "created_at", "expires_at", "revoked_at"),
        ),
        "notification_channels": _rows(
            person.notification_channels.all(), "kind", "name", "host", "kinds"
        ),
        "watched_experiments": _rows(
            ExperimentWatch.objects.filter(user=person), "experiment__name", "level"
        ),
        "notifications": _rows(
            NotificationDelivery.objects.filter(channel__user=person),
            *("notification__created_at", "notification__title", "channel__kind"),
            *("state", "read_at"),
        ),
        "events": _rows(Event.objects.filter(actor=person).order_by("pk"), *EVENT),
    }


def _rows(queryset: QuerySet[Any], *names: str) -> Iterator[Mapping[str, Any]]:
    return queryset.values(*names).iterator(chunk_size=CHUNK)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, cls=DjangoJSONEncoder)
