"""The account's URLs. Of allauth's, only these are reachable; it knows them by name."""

from __future__ import annotations

from allauth.account import views
from django.contrib.auth.views import PasswordChangeDoneView
from django.urls import path
from django.views.generic import RedirectView

from experiments.pages.accounts import confirm, login, password, profile
from experiments.pages.frame import get_or_post, post
from experiments.pages.teams import tokens

urlpatterns = [
    path("login/", login.LoginView.as_view(), name="account_login"),
    path("login/closed/", views.account_inactive, name="account_inactive"),
    path(
        "login/password/",
        password.ForgottenView.as_view(),
        name="account_reset_password",
    ),
    path(
        "login/password/sent/",
        views.password_reset_done,
        name="account_reset_password_done",
    ),
    path(
        "login/password/done/",
        views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path(
        "login/password/<slug:uidb36>/<str:key>/",
        views.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("admin/login/", login.admin_login),
    path(
        "admin/password_change/", RedirectView.as_view(pattern_name="password_change")
    ),
    path("logout/", login.LogoutView.as_view(), name="account_logout"),
    path(
        "settings/confirm/",
        confirm.ConfirmView.as_view(),
        name="account_reauthenticate",
    ),
    get_or_post("settings/", profile.profile, "profile"),
    post("settings/sessions/end/", profile.sessions_end, "sessions_end"),
    path(
        "settings/password/",
        password.PasswordChangeView.as_view(),
        name="password_change",
    ),
    path(
        "settings/password/done/",
        PasswordChangeDoneView.as_view(
            template_name="account/password_change_done.html"
        ),
        name="password_change_done",
    ),
    *tokens.urlpatterns,
]
