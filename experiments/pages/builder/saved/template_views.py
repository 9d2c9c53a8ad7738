"""Templates of a team on the builder's page, and the page that lists them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from experiments import access
from experiments.models import Sweep, SweepTemplate
from experiments.pages.builder.buttons import Builder
from experiments.pages.builder.context import FormContext
from experiments.pages.builder.filling import form_of_any
from experiments.pages.frame import (
    Confirmation,
    act,
    ask,
    get,
    get_or_post,
    post,
    readable_team,
    set_team,
)
from experiments.sweeps.control import NotPossible
from experiments.sweeps.templates import (
    NameTaken,
    delete_template,
    rename_template,
    save_template,
)

# Buttons of the builder.
SAVE_TEMPLATE, REPLACE_TEMPLATE = "template", "replace-template"
MAX_LISTED = 8


def menu_values(context: FormContext) -> dict[str, Any]:
    """What the page offers to start from."""
    sweeps = Sweep.objects.filter(experiment__team=context.team).order_by("-pk")
    return {
        "templates": SweepTemplate.objects.filter(team=context.team).defer("document"),
        "earlier": sweeps.select_related("experiment")[:MAX_LISTED],
    }


def save_from_form(request: HttpRequest, page: Builder, *, do: str) -> dict[str, Any]:
    """Save the form's document as a template; what the page then needs to ask."""
    context, name = page.context, request.POST.get("template_name", "")
    try:
        if page.yaml is not None:
            raise NotPossible("Apply the YAML to the form first, then save a template.")
        if form_of_any(page.form.document) is None:
            raise NotPossible("Correct the problems of the form first.")
        template = save_template(
            *(context.team, name, page.form.document),
            user=context.user,
            replace=do == REPLACE_TEMPLATE,
        )
    except NameTaken as error:
        return {"taken": error}
    except NotPossible as error:
        messages.error(request, f"The template was not saved. {error}")
        return {}
    words = f"Saved template {template.name} for team {context.team.name}."
    messages.success(request, words)
    return {}


def template_list(request: HttpRequest, slug: str) -> HttpResponse:
    """The team's templates; viewers see them."""
    team, user = readable_team(request, slug)
    templates = access.templates_for(user).filter(team=team).defer("document")
    context = {
        "team": team,
        "templates": [(template, _question(template)) for template in templates],
        "may_change": access.can_steer(user, team),
    }
    return render(request, "experiments/builder/templates.html", context)


def template_rename(request: HttpRequest, pk: int) -> HttpResponse:
    template = _changeable(request, pk)

    def rename() -> str:
        name, user = request.POST.get("name", ""), access.viewer(request)
        rename_template(template, name, user=user)
        return f"Template {template.name} is now {name.strip()}."

    return act(request, _list_url(template), rename)


def template_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks first, for browsers without scripts."""
    template = _changeable(request, pk)
    if request.method != "POST":
        return ask(request, _question(template))

    def delete() -> str:
        delete_template(template, user=access.viewer(request))
        return f"Deleted template {template.name}."

    return act(request, _list_url(template), delete)


def _changeable(request: HttpRequest, pk: int) -> SweepTemplate:
    """The template, if the viewer may change it. Raises PermissionDenied."""
    user = access.viewer(request)
    template: SweepTemplate = access.found_or_404(access.templates_for(user), pk=pk)
    access.check_can_steer(user, template.team)
    set_team(request, template.team)
    return template


def _list_url(template: SweepTemplate) -> str:
    return reverse("template_list", args=(template.team.slug,))


def _question(template: SweepTemplate) -> Confirmation:
    return Confirmation(
        confirm_id=f"delete-template-{template.pk}",
        title=f"Delete template {template.name}?",
        text="Sweeps that were made from it stay as they are.",
        rows=(),
        action=reverse("template_delete", args=(template.pk,)),
        verb="Delete template",
        keep="Keep template",
        keep_url=_list_url(template),
    )


urlpatterns = [
    get("teams/<slug:slug>/templates/", template_list, "template_list"),
    post("templates/<int:pk>/rename/", template_rename, "template_rename"),
    get_or_post("templates/<int:pk>/delete/", template_delete, "template_delete"),
]
