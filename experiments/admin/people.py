"""People with their sessions, teams, memberships and API tokens."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from experiments import access, lifecycle
from experiments.accounts.people import remove_factors
from experiments.admin.base import (
    AccessAdmin,
    ReadOnlyAdmin,
    TokenAdmin,
    VisibleModelForm,
)
from experiments.cleanup import quotas
from experiments.formatting import bytes_text
from experiments.models import (
    ApiToken,
    BrowserSession,
    Event,
    Invitation,
    LoginLimit,
    Membership,
    ReportLink,
    Team,
    User,
)
from experiments.models.fields import VisibleTextForm
from experiments.search.wording import counted


class UserMemberships(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    extra = 0
    autocomplete_fields = ("team",)


class TeamMemberships(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


class AdminPersonForm(VisibleTextForm, UserChangeForm):  # type: ignore[type-arg]
    """Checks names as the person's own page does."""


class OthersPasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """What an administrator chose must be changed at the next login."""

    def save(self, commit: bool = True) -> Any:
        self.user.must_change_password = True
        return super().save(commit)


@admin.register(User)
class PersonAdmin(AccessAdmin, UserAdmin):  # type: ignore[type-arg]
    form = AdminPersonForm
    change_password_form = OthersPasswordForm
    inlines = (UserMemberships,)
    list_display = ("username", "first_name", "last_name", "email", "is_staff")
    actions = ("end_sessions", "remove_second_factors")

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        obj.must_change_password |= not change
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        _lock_out(User.objects.filter(pk=obj.pk))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        _lock_out(queryset)
        super().delete_queryset(request, queryset)

    @admin.action(
        description="End the sessions of the selected users", permissions=["change"]
    )
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for person in queryset:
            rows = BrowserSession.valid_for(person)
            ended, _ = rows.exclude(pk=request.session.session_key).delete()
            text = f"{ended} of {person.username}"
            Event.log("sessions ended", text, actor=access.viewer(request))
            self.message_user(
                request, f"Ended {counted(ended, 'session')} of {person.username}."
            )

    @admin.action(
        description="Remove the second factors of the selected users",
        permissions=["change"],
    )
    def remove_second_factors(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> None:
        for person in queryset:
            remove_factors(person, actor=access.viewer(request))
            self.message_user(request, f"{person.username} logs in without one now.")


def _lock_out(people: QuerySet[User]) -> None:
    """Their runs name nobody once they are deleted."""
    people.update(is_active=False)
    lifecycle.revoke_run_tokens()


@admin.register(Team)
class TeamAdmin(AccessAdmin):
    form = VisibleModelForm
    list_display = ("name", "slug", "people", "quota", "created_at")
    list_filter = (("over_quota_since", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (TeamMemberships,)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        teams: QuerySet[Team] = super().get_queryset(request)
        return teams.annotate(people=Count("memberships"))

    @admin.display(ordering="people")
    def people(self, team: Any) -> int:
        return int(team.people)

    @admin.display(ordering="quota_bytes")
    def quota(self, team: Team) -> str:
        return "none" if team.quota_bytes is None else bytes_text(team.quota_bytes)

    def save_model(
        self, request: HttpRequest, obj: Team, form: Any, change: bool
    ) -> None:
        """A new quota counts at once."""
        quota = obj.quota_bytes
        if change:
            stored = Team.objects.get(pk=obj.pk)
            quotas.set_quota(stored, quota, actor=access.viewer(request))
            stored.refresh_from_db()
            obj.over_quota_since = stored.over_quota_since
            obj.near_quota_since = stored.near_quota_since
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only teams without experiments: others would leave files behind."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and obj is not None and not obj.experiments.exists()


@admin.register(Membership)
class MembershipAdmin(AccessAdmin):
    list_display = ("user", "team", "role", "created_at")
    list_filter = ("role", "team")
    list_select_related = ("user", "team")
    search_fields = ("user__username", "team__name")
    autocomplete_fields = ("user", "team")


@admin.register(ApiToken)
class ApiTokenAdmin(TokenAdmin):
    list_display = (
        *("user", "name", "prefix", "scope", "team", "expires_at", "last_used_at"),
        *("last_address", "revoked_at"),
    )
    list_filter = ("scope", ("revoked_at", admin.EmptyFieldListFilter), "team")
    list_select_related = ("user", "team")
    search_fields = ("name", "prefix", "user__username")


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    exclude = ("digest",)
    list_display = (
        *("team", "role", "meant_for", "created_by", "expires_at", "used_by"),
        "revoked_at",
    )
    list_filter = ("role", "team")
    list_select_related = ("team", "created_by", "used_by")
    search_fields = ("meant_for", "team__name", "created_by__username")


@admin.register(ReportLink)
class ReportLinkAdmin(ReadOnlyAdmin):
    exclude = ("digest",)
    list_display = (
        *("sweep", "meant_for", "created_by", "expires_at", "opened_at"),
        "revoked_at",
    )
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("sweep__experiment", "created_by")
    search_fields = ("meant_for", "created_by__username")


@admin.register(LoginLimit)
class LoginLimitAdmin(ReadOnlyAdmin):
    """Whose names and addresses they are is not stored."""

    list_display = ("key", "used_until")
    search_fields = ("=key",)
