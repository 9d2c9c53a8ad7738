"""Forms for teams and the people in them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import slugify

from experiments.models import Membership, Pool, Team, User
from experiments.models.fields import VisibleTextForm

# Words that follow /teams/ in other addresses.
RESERVED_SLUGS = frozenset({"new", "switch"})
ROLES = [(role.value, role.value) for role in Membership.Role]


class PersonForm(forms.Form):
    """A new member: an existing account, or a new one."""

    username = forms.CharField(
        label="User name",
        max_length=150,
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    role = forms.ChoiceField(choices=ROLES, initial=Membership.Role.MEMBER)
    create = forms.BooleanField(
        required=False,
        label="Create an account with this name and a generated password",
    )

    def __init__(self, *args: Any, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.team = team
        self.person: User | None = None

    def clean_username(self) -> str:
        name: str = User.normalize_username(self.cleaned_data["username"])
        User.username_validator(name)
        self.person = User.objects.filter(username=name).first()
        if Membership.objects.filter(team=self.team, user=self.person).exists():
            raise ValidationError(
                f"{name} is already in the team. Change the role in the list."
            )
        return name

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        name, create = data.get("username"), data.get("create")
        if name and self.person is None and not create:
            self.add_error(
                "username",
                f"There is no account {name!r}. Check the spelling, or tick the box"
                " below to create one.",
            )
        if name and self.person is not None and create:
            self.add_error(
                "username",
                f"The account {name!r} already exists. Untick the box below to add it,"
                " or choose another name.",
            )
        return data


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
        slug = slugify(name)[:60]
        if not slug or slug in RESERVED_SLUGS:
            raise ValidationError(
                f"{name!r} cannot be part of an address. Use a name with some letters"
                " from a to z or digits, such as Vision."
            )
        if Team.objects.filter(slug=slug).exists():
            raise ValidationError(
                f"Another team has the address /teams/{slug}/. Choose another name."
            )
        self.instance.slug = slug
        return name
