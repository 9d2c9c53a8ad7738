"""/people/: every account, for administrators of the site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from experiments import access
from experiments.accounts.people import (
    create_person,
    free_name,
    password_link,
    people,
    remove_factors,
    set_active,
    set_administrator,
)
from experiments.models import Membership, User
from experiments.models.fields import VisibleTextForm
from experiments.pages.frame import (
    Confirmation,
    View,
    act,
    administrator,
    after_recent_login,
    ask,
    form_page,
    get,
    get_or_post,
)
from experiments.sweeps.control import NotPossible

PER_PAGE = 50
STATES: Mapping[str, tuple[str, Q]] = {
    "": ("everybody", Q()),
    "administrators": ("administrators", Q(is_superuser=True)),
    "disabled": ("disabled", Q(is_active=False)),
    "no-factor": ("without a second factor", Q(factors=0)),
    "no-login": ("never logged in", Q(last_login=None)),
}


def people_list(request: HttpRequest) -> HttpResponse:
    administrator(request)
    query, state = request.GET.get("q", "").strip()[:150], request.GET.get("state", "")
    state = state if state in STATES else ""
    rows = _found(query, state)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "query": query, "state": state, "states": STATES}
    return render(request, "experiments/people/list.html", context)


def _found(query: str, state: str) -> QuerySet[User]:
    memberships = Membership.objects.select_related("team").order_by("team__name")
    rows = people().annotate(factors=Count("authenticator"))
    if query:
        names = ("username", "first_name", "last_name", "email")
        wanted = Q()
        for name in names:
            wanted |= Q(**{f"{name}__icontains": query})
        rows = rows.filter(wanted)
    return rows.filter(STATES[state][1]).prefetch_related(
        Prefetch("memberships", memberships)
    )


class PersonAccountForm(VisibleTextForm, forms.Form):
    username = forms.CharField(
        label="User name",
        max_length=150,
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    email = forms.EmailField(label="E-mail", required=False)
    administrator = forms.BooleanField(
        required=False, label="Administrator of the site, who may do everything"
    )

    def clean_username(self) -> str:
        return free_name(self.cleaned_data["username"])


@after_recent_login
def person_create(request: HttpRequest) -> HttpResponse:
    actor = administrator(request)
    form = PersonAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        person = create_person(actor=actor, **form.cleaned_data)
        return _link_page(request, person, actor)
    return form_page(request, "experiments/people/form.html", form)


def _link_page(request: HttpRequest, person: User, actor: User) -> HttpResponse:
    """Only this answer contains the link."""
    context = {"person": person, "link": password_link(person, actor=actor)}
    return render(request, "experiments/people/link_made.html", context)


@after_recent_login
def person_password(request: HttpRequest, pk: int) -> HttpResponse:
    actor = administrator(request)
    person = access.found_or_404(people(), pk=pk)
    if request.method != "POST":
        return ask(request, _question(person, LINK))
    try:
        return _link_page(request, person, actor)
    except NotPossible as error:
        messages.error(request, str(error))
        return redirect("people")


@dataclass(frozen=True)
class PersonAct:
    """Something that an administrator does with an account, after a question."""

    name: str
    title: str
    text: str
    verb: str
    done: str = ""
    do: Callable[[User, User], bool] = lambda person, actor: False


LINK = PersonAct(
    "password",
    "Make a link with which {} chooses a new password?",
    "It works once, for an hour. Until then the old password works as well.",
    "Make link",
)
ACTS = (
    PersonAct(
        "disable",
        "Disable the account of {}?",
        "The person is logged out, and their API tokens are refused. Their sweeps and"
        " results stay, and running sweeps continue. You can enable it again.",
        "Disable account",
        "{} can no longer log in.",
        lambda person, actor: set_active(person, False, actor=actor),
    ),
    PersonAct(
        "enable",
        "Enable the account of {}?",
        "The person can log in again, and their API tokens work again.",
        "Enable account",
        "{} can log in again.",
        lambda person, actor: set_active(person, True, actor=actor),
    ),
    PersonAct(
        "factors",
        "Remove the second factors of {}?",
        "For a person who has lost them. Be sure who asks: from then on the password is"
        " enough, until the person adds a factor.",
        "Remove second factors",
        "{} has no second factor now.",
        lambda person, actor: remove_factors(person, actor=actor),
    ),
    PersonAct(
        "promote",
        "Make {} an administrator of the site?",
        "Administrators see and change everything, in every team.",
        "Make administrator",
        "{} is now an administrator.",
        lambda person, actor: set_administrator(person, True, actor=actor),
    ),
    PersonAct(
        "demote",
        "Take the rights of an administrator from {}?",
        "The person keeps their account and their roles in teams.",
        "Remove administrator",
        "{} is no longer an administrator.",
        lambda person, actor: set_administrator(person, False, actor=actor),
    ),
)


def _question(person: User, wanted: PersonAct) -> Confirmation:
    return Confirmation(
        confirm_id=wanted.name,
        title=wanted.title.format(person.username),
        text=wanted.text,
        rows=(),
        action=reverse(f"person_{wanted.name}", args=(person.pk,)),
        verb=wanted.verb,
        keep="Back",
        keep_url=reverse("people"),
    )


def _view_of(wanted: PersonAct) -> View:
    @after_recent_login
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        actor = administrator(request)
        person = access.found_or_404(people(), pk=pk)
        if request.method != "POST":
            return ask(request, _question(person, wanted))

        def do() -> str:
            changed = wanted.do(person, actor)
            return wanted.done.format(person.username) if changed else ""

        return act(request, reverse("people"), do)

    return view


urlpatterns = [
    get("people/", people_list, "people"),
    get_or_post("people/new/", person_create, "person_create"),
    get_or_post("people/<int:pk>/password/", person_password, "person_password"),
    *(
        get_or_post(
            f"people/<int:pk>/{wanted.name}/", _view_of(wanted), f"person_{wanted.name}"
        )
        for wanted in ACTS
    ),
]
