"""The account's URLs. Of allauth's, only these are reachable; it knows them by name."""

from __future__ import annotations

from allauth.account import views
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from django.contrib.auth.views import PasswordChangeDoneView
from django.urls import path
from django.views.generic import RedirectView

from experiments.pages.accounts import (
    email,
    login,
    password,
    profile,
    single_sign_on,
    two_factor,
)
from experiments.pages.accounts.recovery_codes import use_hashed_codes
from experiments.pages.frame import get, get_or_post, post
from experiments.pages.sent_forms import send_kept
from experiments.pages.teams import tokens

use_hashed_codes()

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
    path(
        "login/email/<str:key>/",
        email.ConfirmEmailView.as_view(),
        name="account_confirm_email",
    ),
    path("login/code/", two_factor.CodeView.as_view(), name="mfa_authenticate"),
    get_or_post("login/sent/", send_kept, "send_kept"),
    *single_sign_on.urlpatterns,
    path("admin/login/", login.admin_login),
    path(
        "admin/password_change/", RedirectView.as_view(pattern_name="password_change")
    ),
    path("logout/", login.LogoutView.as_view(), name="account_logout"),
    path(
        "settings/confirm/",
        password.ConfirmView.as_view(),
        name="account_reauthenticate",
    ),
    path(
        "settings/confirm/code/",
        two_factor.CodeAgainView.as_view(),
        name="mfa_reauthenticate",
    ),
    path(
        "settings/confirm/passkey/",
        passkeys.reauthenticate_webauthn,
        name="mfa_reauthenticate_webauthn",
    ),
    get("settings/confirm/login/", two_factor.login_again, "login_again"),
    get("settings/two-factor/", two_factor.index, "mfa_index"),
    path("settings/two-factor/app/", totp.activate_totp, name="mfa_activate_totp"),
    path(
        "settings/two-factor/app/remove/",
        totp.deactivate_totp,
        name="mfa_deactivate_totp",
    ),
    path(
        "settings/two-factor/passkeys/new/",
        passkeys.add_webauthn,
        name="mfa_add_webauthn",
    ),
    path(
        "settings/two-factor/passkeys/<int:pk>/",
        two_factor.RenamePasskeyView.as_view(),
        name="mfa_edit_webauthn",
    ),
    path(
        "settings/two-factor/passkeys/<int:pk>/remove/",
        two_factor.RemovePasskeyView.as_view(),
        name="mfa_remove_webauthn",
    ),
    path(
        "settings/two-factor/codes/",
        recovery_codes.view_recovery_codes,
        name="mfa_view_recovery_codes",
    ),
    path(
        "settings/two-factor/codes/new/",
        recovery_codes.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    get_or_post("settings/", profile.profile, "profile"),
    post("settings/theme/", profile.theme, "theme"),
    post("settings/export/", profile.export, "export"),
    post("settings/sessions/end/", profile.sessions_end, "sessions_end"),
    path("settings/email/", email.EmailView.as_view(), name="account_email"),
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
