"""Users, their logins, teams and roles."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone

from experiments.tokens import token_digest


class User(AbstractUser):
    """A person or a service account. Superusers see every team."""

    class Theme(models.TextChoices):
        BROWSER = "", "as chosen in each browser"
        LIGHT = "light"
        DARK = "dark"
        SYSTEM = "system"

    # Empty: UTC on pages, the browser's zone on hover.
    time_zone = models.CharField(max_length=64, blank=True)
    theme = models.CharField(max_length=10, choices=Theme, blank=True)
    # The owner of a service account, which has tokens but never logs in.
    service_team = models.ForeignKey(
        "Team",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="service_accounts",
    )
    # Somebody else chose the password, so the person can do nothing before a new one.
    must_change_password = models.BooleanField(default=False)
    # When a second factor is needed; set at the first login after it is required.
    factor_due_at = models.DateTimeField(null=True, blank=True)
    # Of the token that a request came with: the only team that it reaches.
    token_team_id: int | None = None

    @property
    def initials(self) -> str:
        """One or two capital letters for the avatar in the top bar."""
        words = self.get_full_name().split() or [self.username]
        letters = words[0][:2] if len(words) == 1 else words[0][0] + words[-1][0]
        return letters.upper()

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username

    @property
    def has_second_factor(self) -> bool:
        """Recovery codes alone are none."""
        factors = self.authenticator_set  # type: ignore[attr-defined]
        return bool(factors.exclude(type="recovery_codes").exists())

    @property
    def second_factor_required_by(self) -> str:
        """Who requires a second factor of the user; empty: nobody."""
        if settings.REQUIRE_SECOND_FACTOR:
            return "This site"
        team = self.teams.filter(requires_second_factor=True).first()
        return f"Team {team.name}" if team else ""

    @property
    def is_factor_overdue(self) -> bool:
        """Whether the time in which a required second factor may be missing is over."""
        due = self.factor_due_at
        is_over = due is not None and due <= timezone.now()
        missing = is_over and not self.has_second_factor
        return missing and bool(self.second_factor_required_by)


class BrowserSession(AbstractBaseSession):
    """A browser's login, with the data of its session. Its key is the cookie."""

    user = models.ForeignKey(
        User, models.CASCADE, null=True, related_name="browser_sessions"
    )
    # A new password changes it, and with it no older session is valid.
    auth_digest = models.CharField(max_length=128, blank=True)
    address = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    @property
    def public_id(self) -> str:
        """A name for pages, which does not reveal the key."""
        return token_digest(self.session_key)[:16]

    @classmethod
    def valid_for(cls, user: User) -> models.QuerySet[BrowserSession]:
        """The sessions in which the user is logged in, the last used first."""
        current = user.get_session_auth_hash()
        digests = (current, *user.get_session_auth_fallback_hash())
        return cls.objects.filter(
            user=user, auth_digest__in=digests, expire_date__gt=timezone.now()
        ).order_by("-seen_at")


class Team(models.Model):
    """People who share experiments."""

    name = models.CharField(max_length=100, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    members = models.ManyToManyField(User, through="Membership", related_name="teams")
    requires_second_factor = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # NULL: as much as the disk has.
    quota_bytes = models.PositiveBigIntegerField("quota, bytes", null=True, blank=True)
    # Since then it uses at least 80 % of its quota.
    near_quota_since = models.DateTimeField(null=True, blank=True, editable=False)
    # Since then it uses more than its quota, and new trials wait.
    over_quota_since = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One person's role in one team."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "viewer: views"
        MEMBER = "member", "member: runs sweeps"
        ADMIN = "admin", "admin: also manages people"

    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("team", "user"), name="membership_once_per_team"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} in {self.team}: {self.role}"


class LoginLimit(models.Model):
    """How far a limit on wrong passwords is used up. Names are stored as digests."""

    key = models.CharField(max_length=16, primary_key=True)
    # Seconds since 1970: the limit is free from then on.
    used_until = models.FloatField(default=0, db_index=True)

    def __str__(self) -> str:
        return self.key
