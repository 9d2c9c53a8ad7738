"""The e-mail address: a new one is used once its link was opened."""

from __future__ import annotations

from typing import Any

from allauth.account import views
from allauth.account.forms import AddEmailForm
from allauth.account.internal.flows.email_verification import (
    send_verification_email_to_address,
)
from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from experiments import mail
from experiments.models import Event, User
from experiments.pages import login_limits


class NewEmailForm(AddEmailForm):
    """allauth's. Whether another account has the address shows only to who can open its
    link."""

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"])
        if email == self.user.email:
            raise ValidationError("This is your address already.")
        if mail.can_send():
            login_limits.take_mail(self.request, email)
        return email

    def save(self, request: HttpRequest) -> EmailAddress:
        user, email = self.user, self.cleaned_data["email"]
        rows = EmailAddress.objects.filter(user=user)
        if not mail.can_send():
            rows.delete()
            return _set_unverified(user, email)
        rows.filter(verified=False).exclude(email=user.email).delete()
        address = EmailAddress.objects.create(user=user, email=email)
        send_verification_email_to_address(request, address)
        return address


def _set_unverified(user: User, email: str) -> EmailAddress:
    _log(user, before=user.email, after=email)
    User.objects.filter(pk=user.pk).update(email=email)
    address: EmailAddress = EmailAddress.objects.create(user=user, email=email)
    return address


def _log(user: User, *, before: str, after: str) -> None:
    Event.log(
        "e-mail address changed",
        actor=user,
        about=user,
        before={"email": before},
        after={"email": after},
    )


class EmailView(login_limits.Limited, views.EmailView):
    """allauth's, of which only the form for a new address can be sent: its other acts
    have no limit, or make an address count that nobody has confirmed."""

    form_class = NewEmailForm

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = self.get_form()
        valid: bool = form.is_valid()
        answer: HttpResponse = (self.form_valid if valid else self.form_invalid)(form)
        return answer

    def get_form(self, form_class: Any = None) -> Any:
        form = super().get_form(form_class)
        form.request = self.request
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """``waiting``: the address whose link was not opened yet."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        new = context["new_emailaddress"]
        waiting = new.email if new and new.email != self.request.user.email else ""
        return {**context, "can_send": mail.can_send(), "waiting": waiting}


class ConfirmEmailView(views.ConfirmEmailView):
    def logout_other_user(self, confirmation: Any) -> None:
        """A link that somebody sent must not log anybody out."""

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        address = self.get_object().email_address
        before = address.user.email
        response: HttpResponse = super().post(*args, **kwargs)
        if EmailAddress.objects.filter(pk=address.pk, verified=True).exists():
            _log(address.user, before=before, after=address.email)
        return response
