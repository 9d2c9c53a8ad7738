"""API tokens of people and service accounts; links of invitations and reports."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from experiments import origin
from experiments.models.sweeps import Sweep
from experiments.models.teams import Membership, Team, User
from experiments.tokens import token_digest

NOTED_AGAIN_AFTER = timedelta(minutes=1)
# A page warns this long before a token ends.
ENDS_SOON = timedelta(days=7)
KEY_KEPT_FOR = timedelta(days=1)
MAX_PROGRAM_LENGTH = 100


class ApiToken(models.Model):
    """A person's key to the HTTP API. Only the hash of its secret is stored."""

    class Scope(models.TextChoices):
        READ = "read"
        WRITE = "write"
        ADMIN = "admin"

    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens")
    # The only team that it reaches; none: all teams of the user.
    team = models.ForeignKey(
        Team, models.CASCADE, null=True, blank=True, related_name="api_tokens"
    )
    name = models.CharField(max_length=100, blank=True)
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.WRITE)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # Without one, it is older than the rule that tokens end.
    expires_at = models.DateTimeField(null=True, blank=True)
    ends_with_password = models.BooleanField(default=False)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_address = models.CharField(max_length=45, blank=True)
    last_program = models.CharField(max_length=MAX_PROGRAM_LENGTH, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name or 'token'} {self.prefix}…"

    @property
    def is_use_old(self) -> bool:
        used = self.last_used_at
        return used is None or timezone.now() - used > NOTED_AGAIN_AFTER

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def ends_soon(self) -> bool:
        ends = self.expires_at
        return ends is not None and ends - timezone.now() < ENDS_SOON

    @classmethod
    def valid(cls) -> models.QuerySet[ApiToken]:
        lasts = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
        return cls.objects.filter(lasts, revoked_at=None, user__is_active=True)

    @classmethod
    def waits_for_factor(cls, secret: str) -> bool:
        """Whether it is refused because its owner must set up a second factor."""
        rows = cls.valid().select_related("user").filter(digest=token_digest(secret))
        token = rows.first()
        return token is not None and token.user.is_factor_overdue

    @classmethod
    def end_of(cls, secret: str) -> datetime | None:
        """When the token with this secret ended, if that is why it is refused."""
        rows = cls.objects.filter(
            digest=token_digest(secret), revoked_at=None, user__is_active=True
        )
        ended = rows.filter(expires_at__lte=timezone.now())
        return ended.values_list("expires_at", flat=True).first()

    @classmethod
    def use(
        cls, secret: str, *, address: str = "", program: str = ""
    ) -> ApiToken | None:
        """The valid token with this secret; its use is noted once a minute, as a
        program may send many requests a second."""
        rows = cls.valid().select_related("user").filter(digest=token_digest(secret))
        token = rows.first()
        if token is None or token.user.is_factor_overdue:
            return None
        token.user.token_team_id = token.team_id
        origin.note_token(token.name or token.prefix)
        if token.is_use_old:
            cls.objects.filter(pk=token.pk).update(
                last_used_at=Now(),
                last_address=address,
                last_program=program[:MAX_PROGRAM_LENGTH],
            )
        return token


class Invitation(models.Model):
    """A link that lets one person join a team. Only its hash is stored."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=Membership.Role)
    meant_for = models.CharField(max_length=100, blank=True)
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="invitations"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"invitation to {self.team} as {self.role}"

    @classmethod
    def open(cls) -> models.QuerySet[Invitation]:
        return cls.objects.filter(
            used_at=None, revoked_at=None, expires_at__gt=timezone.now()
        )


class ReportLink(models.Model):
    """A link that shows the report of one sweep to all who have it, without a login.

    Only its hash is stored. ``parts``: what the report has besides its summary.
    """

    sweep = models.ForeignKey(Sweep, models.CASCADE, related_name="report_links")
    meant_for = models.CharField(max_length=100, blank=True)
    parts = models.JSONField(default=list)
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"report link of {self.sweep}"

    @classmethod
    def open(cls) -> models.QuerySet[ReportLink]:
        """Those that work, unless the site has switched them off, or their makers may
        no longer run sweeps in the team."""
        return cls.objects.filter(
            revoked_at=None,
            expires_at__gt=timezone.now(),
            sweep__deletion_requested_at=None,
        )


class IdempotencyKey(models.Model):
    """A request that made something, and its answer, for a day: sent again with the
    same key, it makes nothing more."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    # Of the token, the method, the path and the key.
    digest = models.CharField(max_length=64)
    # Of the query and the body.
    content = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    # Encrypted with the key.
    answer = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("user", "digest"), name="idempotency_key_once"
            ),
        )

    @classmethod
    def kept(cls) -> models.QuerySet[IdempotencyKey]:
        return cls.objects.filter(created_at__gte=Now() - models.Value(KEY_KEPT_FOR))

    @classmethod
    def old(cls) -> models.QuerySet[IdempotencyKey]:
        return cls.objects.filter(created_at__lt=Now() - models.Value(KEY_KEPT_FOR))

    def __str__(self) -> str:
        return f"{self.digest[:12]} of {self.user_id}"
