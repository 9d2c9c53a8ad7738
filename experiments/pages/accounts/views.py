"""Accounts: logging in and out, the password, the viewer's own page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods

from experiments import access
from experiments.models import Event, User
from experiments.pages.accounts import login_guard
from experiments.pages.teams import tokens
from experiments.pages.teams.tokens import TokenForm, token_questions, tokens_of
from experiments.words import duration_text


@method_decorator(login_not_required, name="dispatch")
class LoginView(views.LoginView):
    """Django's login with a brake; the answer is the same for names nobody has."""

    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        wait = login_guard.seconds_to_wait(request, request.POST.get("username", ""))
        return self._refuse(wait) if wait else super().post(request, *args, **kwargs)

    def _refuse(self, wait: int) -> HttpResponse:
        form = BlockedForm(
            f"There were {login_guard.MOST_FAILURES} failed tries for this name from"
            f" here. Try again in {duration_text(wait)}."
        )
        response = self.render_to_response(self.get_context_data(form=form))
        response.status_code = 429
        response["Retry-After"] = str(wait)
        return response

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        user = form.get_user()
        if isinstance(user, User):
            login_guard.log_login(self.request, user)
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        login_guard.log_failure(self.request, form.data.get("username", ""))
        return super().form_invalid(form)


@login_not_required
def admin_login(request: HttpRequest) -> HttpResponse:
    """The administration's own login form would have no brake: ours stands in."""
    if request.user.is_authenticated:
        raise PermissionDenied
    return redirect_to_login(request.GET.get("next", ""))


class BlockedForm(AuthenticationForm):
    """The empty login form with a sentence on why it was not looked at."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.sentence = sentence

    def non_field_errors(self) -> Any:
        return [self.sentence]


class PasswordChangeView(views.PasswordChangeView):
    """Django's, which also ends the person's other sessions."""

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        Event.log("password changed", actor=access.viewer(self.request))
        return response


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("first_name", "last_name", "email")


@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user = access.viewer(request)
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=user.pk))
    if request.method == "POST" and form.is_valid():
        form.save()
        Event.log("profile changed", actor=user)
        messages.success(request, "Your profile is saved.")
        return redirect("profile")
    context = {
        "form": form,
        "memberships": user.memberships.select_related("team").order_by("team__name"),
        "tokens": token_questions(tokens_of(user)),
        "token_form": TokenForm(),
        "back": request.path,
    }
    status = 422 if form.errors else 200
    template = "experiments/accounts/profile.html"
    return render(request, template, context, status=status)


urlpatterns = [
    path("login/", LoginView.as_view(), name="login"),
    path("admin/login/", admin_login),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("settings/", profile, name="profile"),
    path("settings/password/", PasswordChangeView.as_view(), name="password_change"),
    path(
        "settings/password/done/",
        views.PasswordChangeDoneView.as_view(),
        name="password_change_done",
    ),
    *tokens.urlpatterns,
]
