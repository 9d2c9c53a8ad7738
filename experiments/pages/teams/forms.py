"""Forms for teams and the people in them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from experiments.accounts.teams import free_slug
from experiments.models import Membership, Pool, Team, User
from experiments.models.fields import VisibleTextForm

ROLES = [(role.value, role.value) for role in Membership.Role]


class PersonForm(forms.Form):
    """A new member, who has an account: ``person``."""

    username = forms.CharField(
        label="User name",
        max_length=150,
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    role = forms.ChoiceField(choices=ROLES, initial=Membership.Role.MEMBER)

    def __init__(self, *args: Any, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.team = team
        self.person = User()

    def clean_username(self) -> str:
        name: str = User.normalize_username(self.cleaned_data["username"])
        person = User.objects.filter(username=name).first()
        if person is None:
            raise ValidationError(
                f"There is no account {name!r}. Check the spelling, or invite the"
                " person by a link."
            )
        if person.service_team_id is not None:
            raise ValidationError(
                f"{name} is a service account, which is in its own team alone."
            )
        if self.team.memberships.filter(user=person).exists():
            raise ValidationError(
                f"{name} is already in the team. Change the role in the list."
            )
        self.person = person
        return name


class TeamNameForm(VisibleTextForm, forms.ModelForm):  # type: ignore[type-arg]
    """Another name; the address stays."""

    class Meta:
        model = Team
        fields = ("name",)


class TeamForm(VisibleTextForm, forms.ModelForm):  # type: ignore[type-arg]
    pools = forms.ModelMultipleChoiceField(
        Pool.objects.all(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Pools it may use",
    )

    class Meta:
        model = Team
        fields = ("name",)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        self.instance.slug = free_slug(name)
        return name
