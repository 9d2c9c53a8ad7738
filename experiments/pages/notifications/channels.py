"""Where notifications go: a person's choice, and webhooks of people and teams."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from experiments import access, mail
from experiments.models import (
    ChannelKind,
    Experiment,
    NotificationChannel,
    NotificationDelivery,
    Team,
    User,
)
from experiments.models.fields import VisibleTextForm
from experiments.models.notifications import CHOICES
from experiments.notifications.channels import (
    MAX_NAME,
    TEAM_KINDS,
    ChannelRequest,
    StillSending,
    change_channel,
    channels_for,
    create_webhook,
    delete_webhook,
    own_channels,
    send_test,
    set_watch,
    webhooks_of,
)
from experiments.notifications.webhooks import MAX_URL
from experiments.pages.frame import (
    Confirmation,
    act,
    ask,
    form_page,
    get,
    get_or_post,
    managed_team,
    post,
    set_team,
)
from experiments.search.fields import DefinitionError
from experiments.sweeps.control import NotPossible

LOG_ROWS = 50
SETTINGS = "notification_channels"


class WebhookForm(VisibleTextForm, forms.Form):
    kind = forms.ChoiceField(
        choices=[
            (ChannelKind.SLACK, "Slack-compatible: a text message"),
            (ChannelKind.WEBHOOK, "For programs: signed JSON"),
        ],
        help_text="Mattermost, Rocket.Chat, Zulip and Google Chat read Slack's form as"
        " well, and Discord at an address that ends with /slack.",
    )
    name = forms.CharField(max_length=MAX_NAME, help_text="Such as #sweeps.")
    address = forms.CharField(
        max_length=MAX_URL,
        help_text="It is a secret: it is stored encrypted and never shown again.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, team: Team | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if team is not None:
            self.fields["experiment"] = forms.ModelChoiceField(
                Experiment.objects.filter(team=team).order_by("name"),
                required=False,
                empty_label="all experiments",
            )
        allowed = CHOICES if team is None else TEAM_KINDS
        self.fields["kinds"] = forms.MultipleChoiceField(
            choices=[(kind.value, kind.label) for kind in allowed],
            label="About",
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )

    @property
    def wanted(self) -> ChannelRequest:
        given = self.cleaned_data
        return ChannelRequest(
            given["kind"],
            given["name"],
            given["address"],
            given["kinds"],
            given.get("experiment"),
        )


class WebhookChangeForm(WebhookForm):
    """An empty address stays as it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["kind"]
        self.fields.pop("experiment", None)
        self.fields["address"].required = False
        self.fields["address"].label = "New address"
        self.fields["address"].help_text = "Empty: it stays as it is."

    @classmethod
    def of(cls, row: NotificationChannel, data: Any = None) -> WebhookChangeForm:
        first = {"name": row.name, "kinds": row.chosen}
        return cls(data, initial=first, team=row.team)


def own_settings(request: HttpRequest) -> HttpResponse:
    """The viewer's notifications in the browser and by e-mail, and own webhooks."""
    user = access.viewer(request)
    own = own_channels(user)

    def choose() -> str:
        for kind, row in own.items():
            change_channel(row, actor=user, kinds=request.POST.getlist(kind))
        return "Saved your notifications."

    if request.method == "POST":
        return act(request, SETTINGS, choose)
    rows = [
        (kind, kind in own["browser"].chosen, kind in own["email"].chosen)
        for kind in CHOICES
    ]
    context = {
        "rows": rows,
        "own": own,
        "webhooks": webhooks_of(user),
        "new": reverse("webhook_create"),
        "can_email": mail.can_send() and user.email,
        "has_server": mail.can_send(),
    }
    return render(request, "experiments/notifications/settings.html", context)


def team_settings(request: HttpRequest, slug: str) -> HttpResponse:
    team, _ = managed_team(request, slug)
    context = {
        "team": team,
        "webhooks": webhooks_of(team).select_related("experiment"),
        "new": reverse("team_webhook_create", args=(team.slug,)),
    }
    return render(request, "experiments/notifications/team.html", context)


def webhook_create(request: HttpRequest, slug: str = "") -> HttpResponse:
    """For the team, or else for the viewer."""
    owner: User | Team
    owner = user = access.viewer(request)
    if slug:
        owner, user = managed_team(request, slug)
    team = owner if isinstance(owner, Team) else None
    form = WebhookForm(request.POST or None, team=team)
    template = "experiments/notifications/webhook_form.html"
    context = {"back": _home(owner), "owner": owner}
    if request.method == "POST" and form.is_valid():
        try:
            row, secret = create_webhook(owner, form.wanted, actor=user)
        except (DefinitionError, NotPossible) as error:
            note(form, error)
            return form_page(request, template, form, **context)
        to = reverse("notification_channel", args=(row.pk,))
        if not secret:
            messages.success(request, f"Added {row.name}. Send a test now.")
            return redirect(to)
        shown = {"row": row, "secret": secret, "to": to, **context}
        return render(request, "experiments/notifications/secret.html", shown)
    return form_page(request, template, form, **context)


def note(form: forms.Form, error: DefinitionError | NotPossible) -> None:
    """Show the problems at their fields."""
    if isinstance(error, NotPossible):
        form.add_error(None, str(error))
        return
    for path, text in error.problems:
        form.add_error(path if path in form.fields else None, text)


def _home(owner: User | Team) -> str:
    if isinstance(owner, Team):
        return reverse("team_notifications", args=(owner.slug,))
    return reverse(SETTINGS)


def _channel(request: HttpRequest, pk: int) -> tuple[NotificationChannel, User, str]:
    """The channel, the viewer, and the page that lists it."""
    user = access.viewer(request)
    row = access.found_or_404(channels_for(user), pk=pk)
    if row.team is not None:
        set_team(request, row.team)
    return row, user, _home(row.team or user)


def channel_page(request: HttpRequest, pk: int) -> HttpResponse:
    row, user, back = _channel(request, pk)
    form = WebhookChangeForm.of(row, request.POST or None)
    if row.is_webhook and form.is_valid():
        try:
            change_channel(row, actor=user, **form.cleaned_data)
            messages.success(request, f"Saved {row.name}.")
            return redirect("notification_channel", row.pk)
        except DefinitionError as error:
            note(form, error)
    return _channel_page(request, row, back, form)


def _channel_page(
    request: HttpRequest, row: NotificationChannel, back: str, form: forms.Form
) -> HttpResponse:
    log = NotificationDelivery.objects.filter(channel=row)
    return form_page(
        request,
        "experiments/notifications/channel.html",
        form,
        row=row,
        back=back,
        log=log.select_related("notification")[:LOG_ROWS],
        question=_deletion(row, back),
    )


def channel_test(request: HttpRequest, pk: int) -> HttpResponse:
    row, user, back = _channel(request, pk)
    try:
        found = send_test(row, actor=user)
    except StillSending as error:
        messages.error(request, str(error))
        page = _channel_page(request, row, back, WebhookChangeForm.of(row))
        page.status_code = 429
        return page
    if found.state == NotificationDelivery.State.SENT:
        messages.success(request, f"Sent the test. {found.answer}".strip())
    else:
        messages.error(request, f"The test did not arrive. {found.answer}")
    return redirect("notification_channel", row.pk)


def _deletion(row: NotificationChannel, back: str) -> Confirmation:
    return Confirmation(
        confirm_id=f"delete-{row.pk}",
        title=f"Delete {row.name}?",
        text="Nothing more is sent there, and its log is deleted.",
        rows=[("host", row.host)],
        action=reverse("notification_channel_delete", args=(row.pk,)),
        verb="Delete webhook",
        keep="Keep webhook",
        keep_url=back,
    )


def channel_delete(request: HttpRequest, pk: int) -> HttpResponse:
    row, user, back = _channel(request, pk)
    if request.method != "POST":
        return ask(request, _deletion(row, back))

    def delete() -> str:
        if not row.is_webhook:
            raise NotPossible(f"{row.name} cannot be deleted. Choose what it is about.")
        delete_webhook(row, actor=user)
        return f"Deleted {row.name}."

    return act(request, back, delete)


def watch(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose which sweeps of the experiment notify the viewer."""
    user = access.viewer(request)
    experiment = access.found_or_404(access.experiments_for(user), pk=pk)

    def choose() -> str:
        level = request.POST.get("level", "")
        set_watch(user, experiment, level)
        what = {"own": "Only your own sweeps", "all": "All sweeps", "none": "No sweep"}
        return f"{what[level]} of {experiment.name} will notify you."

    return act(request, reverse("experiment_detail", args=(pk,)), choose)


CHANNELS, TEAM = "notifications/channels", "teams/<slug:slug>/notifications"
urlpatterns = [
    get_or_post("settings/notifications/", own_settings, SETTINGS),
    get_or_post(f"{CHANNELS}/new/", webhook_create, "webhook_create"),
    get(f"{TEAM}/", team_settings, "team_notifications"),
    get_or_post(f"{TEAM}/new/", webhook_create, "team_webhook_create"),
    get_or_post(f"{CHANNELS}/<int:pk>/", channel_page, "notification_channel"),
    post(f"{CHANNELS}/<int:pk>/test/", channel_test, "notification_channel_test"),
    get_or_post(
        f"{CHANNELS}/<int:pk>/delete/", channel_delete, "notification_channel_delete"
    ),
    post("experiments/<int:pk>/watch/", watch, "experiment_watch"),
]
