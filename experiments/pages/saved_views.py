"""Saved views of an experiment's pages: the menu that opens and saves them, and their
own small pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from experiments import access
from experiments.models import Experiment, SavedView, User
from experiments.pages.frame import (
    Confirmation,
    ask,
    form_page,
    get_or_post,
    set_team,
    whole_number,
)
from experiments.sweeps.control import NotPossible
from experiments.sweeps.saved_views import (
    MAX_NAME,
    change_view,
    delete_view,
    save_view,
    view_query,
)


@dataclass(frozen=True)
class ViewMenu:
    """What experiments/saved_views/menu.html shows on one page."""

    experiment: Experiment
    page: str
    path: str
    query: str
    opened: int | None
    may_share: bool
    user: User

    @cached_property
    def all(self) -> Sequence[SavedView]:
        rows = access.views_for(self.user).filter(experiment=self.experiment)
        return list(rows.filter(page=self.page))

    @property
    def own(self) -> Sequence[SavedView]:
        return [view for view in self.all if view.owner_id]

    @property
    def of_team(self) -> Sequence[SavedView]:
        return [view for view in self.all if not view.owner_id]

    @property
    def current(self) -> SavedView | None:
        return next((view for view in self.all if view.pk == self.opened), None)

    @property
    def is_changed(self) -> bool:
        """Whether the page shows something else than its view keeps."""
        return self.current is not None and self.current.query != self.query

    @property
    def may_change(self) -> bool:
        """The current view."""
        view = self.current
        return view is not None and (self.may_share or view.owner_id is not None)


def view_menu(request: HttpRequest, experiment: Experiment, page: str) -> ViewMenu:
    user = access.viewer(request)
    return ViewMenu(
        experiment,
        page,
        path=request.path,
        query=_query(request.GET.urlencode()),
        opened=whole_number(request.GET.get("view", "")),
        may_share=access.can_steer(user, experiment.team),
        user=user,
    )


def opened_view(
    request: HttpRequest, experiment: Experiment, page: str
) -> HttpResponse | None:
    """The answer to an address that has nothing but a view: its whole address."""
    if set(request.GET) != {"view"}:
        return None
    rows = access.views_for(access.viewer(request))
    number = whole_number(request.GET["view"])
    view = rows.filter(experiment=experiment, page=page, pk=number or 0).first()
    if view is None:
        messages.info(request, "This view does not exist, or you cannot see it.")
        return redirect(request.path)
    return redirect(_address(request.path, view)) if view.query else None


def _address(path: str, view: SavedView) -> str:
    return f"{path}?{view.query}{'&' if view.query else ''}view={view.pk}"


def _query(text: str) -> str:
    try:
        return view_query(text)
    except NotPossible:
        # Too long for a view.
        return ""


class ViewForm(forms.Form):
    """A view's name, and what the page that it comes from showed."""

    name = forms.CharField(max_length=MAX_NAME)
    query = forms.CharField(required=False, widget=forms.HiddenInput)
    # The page to go back to.
    path = forms.CharField(required=False, widget=forms.HiddenInput)

    def back(self, otherwise: Any) -> str:
        path = str(self.data.get("path", ""))
        is_ours = path.startswith("/") and url_has_allowed_host_and_scheme(path, None)
        return path.partition("?")[0] if is_ours else str(otherwise.get_absolute_url())


class NewViewForm(ViewForm):
    page = forms.ChoiceField(choices=SavedView.Page, widget=forms.HiddenInput)
    for_team = forms.BooleanField(required=False, label="For everybody in the team")


def view_create(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: the form alone, for an address that names the page."""
    user = access.viewer(request)
    experiment = access.found_or_404(access.experiments_for(user), pk=pk)
    set_team(request, experiment.team)
    is_sent = request.method == "POST"
    form = NewViewForm(request.POST if is_sent else None, initial=request.GET.dict())
    title = "Save view"
    if not is_sent or not form.is_valid():
        return _form(request, form, experiment, title)
    found = form.cleaned_data
    if found["for_team"]:
        access.check_can_steer(user, experiment.team)
    try:
        view = save_view(
            experiment,
            found["page"],
            found["name"],
            found["query"],
            user=user,
            for_team=found["for_team"],
        )
    except NotPossible as error:
        form.add_error("name", str(error))
        return _form(request, form, experiment, title)
    messages.success(request, f"Saved view {view.name}.")
    return redirect(_address(form.back(experiment), view))


def view_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename the view, or make it keep what the page shows now."""
    view = _changeable(request, pk)
    is_sent = request.method == "POST"
    initial = {"name": view.name, "query": view.query, "path": request.GET.get("path")}
    form = ViewForm(request.POST if is_sent else None, initial=initial)
    title = f"Rename view {view.name}"
    if not is_sent or not form.is_valid():
        return _form(request, form, view.experiment, title, view=view)
    found, user = form.cleaned_data, access.viewer(request)
    try:
        change_view(view, user=user, name=found["name"], query=found["query"])
    except NotPossible as error:
        form.add_error("name", str(error))
        return _form(request, form, view.experiment, title, view=view)
    messages.success(request, f"Saved view {view.name}.")
    return redirect(_address(form.back(view.experiment), view))


def view_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks first."""
    view = _changeable(request, pk)
    if request.method != "POST":
        return ask(request, _question(view))
    delete_view(view, user=access.viewer(request))
    messages.success(request, f"Deleted view {view.name}.")
    return redirect(view.experiment)


def _question(view: SavedView) -> Confirmation:
    return Confirmation(
        confirm_id=f"delete-view-{view.pk}",
        title=f"Delete view {view.name}?",
        text="What it shows stays as it is."
        if view.owner_id
        else "The team can no longer open it. What it shows stays as it is.",
        rows=(),
        action=reverse("view_delete", args=(view.pk,)),
        verb="Delete view",
        keep="Keep view",
        keep_url=view.experiment.get_absolute_url(),
    )


def _changeable(request: HttpRequest, pk: int) -> SavedView:
    """The viewer's own view, or one of the team for those who may change its work."""
    user = access.viewer(request)
    view = access.found_or_404(access.views_for(user), pk=pk)
    set_team(request, view.experiment.team)
    if view.owner_id is None:
        access.check_can_steer(user, view.experiment.team)
    return view


def _form(
    request: HttpRequest,
    form: ViewForm,
    experiment: Experiment,
    title: str,
    *,
    view: SavedView | None = None,
) -> HttpResponse:
    if "for_team" in form.fields and not access.can_steer(
        access.viewer(request), experiment.team
    ):
        del form.fields["for_team"]
    context = {"title": title, "experiment": experiment, "view": view}
    return form_page(request, "experiments/saved_views/form.html", form, **context)


urlpatterns = [
    get_or_post("experiments/<int:pk>/views/new/", view_create, "view_create"),
    get_or_post("views/<int:pk>/", view_change, "view_change"),
    get_or_post("views/<int:pk>/delete/", view_delete, "view_delete"),
]
