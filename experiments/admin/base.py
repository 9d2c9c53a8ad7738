"""What admin pages share: read-only tables, tokens, removals that ask first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from experiments import access, lifecycle
from experiments.cleanup.sizes import Size
from experiments.cleanup.trash import StillRunning
from experiments.formatting import bytes_text
from experiments.models import Event, Sweep, Team, TrashItem
from experiments.models.fields import VisibleTextForm
from experiments.search.wording import counted

# The page sends back the ids of all rows, and Django limits a form's fields.
MAX_ROWS = 1000


class VisibleModelForm(VisibleTextForm, forms.ModelForm):  # type: ignore[type-arg]
    """Checks texts as the forms of the site do."""


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Nobody adds, changes or deletes rows by hand."""

    # Counting a large table for each page is slow.
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LoggedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Whose changes are in the audit log, with the values before and after."""

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        names, old, new = form.changed_data, form.initial, form.cleaned_data
        request.changes = {  # type: ignore[attr-defined]
            "before": {} if add else {n: _plain(old.get(n)) for n in names},
            "after": {n: _plain(new.get(n)) for n in names},
        }
        return super().construct_change_message(request, form, formsets, add)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        entry = super().log_addition(request, obj, message)
        _log_act(request, "added", obj, entry.get_change_message())
        return entry

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        entry = super().log_change(request, obj, message)
        _log_act(request, "changed", obj, entry.get_change_message())
        return entry

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            _log_act(request, "deleted", obj)
        return super().log_deletions(request, queryset)


def _plain(value: Any) -> Any:
    """What JSON has; of rows their names."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, QuerySet | list | tuple):
        return [_plain(each) for each in value]
    return str(value)


def _log_act(request: HttpRequest, act: str, obj: Any, message: str = "") -> None:
    team = obj if isinstance(obj, Team) else getattr(obj, "team", None)
    changes = getattr(request, "changes", {})
    verb, actor = f"{obj._meta.verbose_name} {act}", access.viewer(request)
    Event.log(verb, message, actor=actor, team=team, about=obj, **changes)


class AccessAdmin(LoggedAdmin):
    """Who loses access here loses the tokens of their runs."""

    def save_related(self, request: HttpRequest, *args: Any) -> None:
        super().save_related(request, *args)
        lifecycle.revoke_run_tokens()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        lifecycle.revoke_run_tokens()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        super().delete_queryset(request, queryset)
        lifecycle.revoke_run_tokens()


class SweepRowAdmin(ReadOnlyAdmin):
    """Rows of sweeps, without those of sweeps that wait to be deleted."""

    sweep_lookup = "trial__sweep"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        # Usually none, and then large tables are counted without a join.
        marked = Sweep.all_objects.filter(deletion_requested_at__isnull=False)
        ids = list(marked.values_list("pk", flat=True))
        return rows.exclude(**{f"{self.sweep_lookup}__in": ids}) if ids else rows


class TokenAdmin(ReadOnlyAdmin):
    """Tokens can be revoked; their hashes are not shown."""

    exclude = ("digest",)
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        name = f"experiments.change_{self.opts.model_name}"
        return access.viewer(request).has_perm(name)

    @admin.action(description="Revoke the selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        valid = queryset.filter(revoked_at=None)
        tokens = list(valid)
        valid.update(revoked_at=Now())
        for token in tokens:
            Event.log("token revoked", str(token), actor=access.viewer(request))
        text = f"{len(tokens)} tokens revoked."
        self.message_user(request, text, messages.SUCCESS)


@dataclass(frozen=True)
class Removal:
    """``measure`` says what goes to the trash, ``request`` moves it; ``rows`` makes
    (label, amount) pairs of a size."""

    action: str
    title: str
    warning: str
    measure: Callable[[QuerySet[Any]], Size]
    request: Callable[..., Sequence[TrashItem]]
    rows: Callable[[Size], list[tuple[str, object]]]

    def run(
        self, page: Any, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """Ask first; move it when the answer is yes."""
        if queryset.count() > MAX_ROWS:
            page.message_user(
                request, f"Choose at most {MAX_ROWS:,} rows at once.", messages.ERROR
            )
            return None
        if "confirmed" not in request.POST:
            return self._ask(page, request, queryset)
        try:
            items = self.request(queryset, actor=access.viewer(request))
        except StillRunning as problem:
            page.message_user(request, str(problem), messages.ERROR)
            return None
        size = bytes_text(sum(item.bytes for item in items))
        text = f"{counted(len(items), 'item')}, {size}, moved to the trash."
        page.message_user(request, text, messages.SUCCESS)
        return None

    def _ask(
        self, page: Any, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse:
        context = {
            **admin.site.each_context(request),
            "title": self.title,
            "warning": self.warning,
            "rows": self.rows(self.measure(queryset)),
            "objects": list(queryset[:20]),
            "more": max(0, queryset.count() - 20),
            "ids": list(queryset.values_list("pk", flat=True)),
            "action": self.action,
            "checkbox": helpers.ACTION_CHECKBOX_NAME,
            "opts": page.model._meta,
        }
        template = "admin/experiments/confirm_deletion.html"
        return TemplateResponse(request, template, context)


def size_row(size: Size) -> tuple[str, object]:
    return "of files", bytes_text(size.bytes)
