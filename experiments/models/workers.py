"""Pools, workers with their credentials, and scheduler processes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Now

from experiments.models.teams import Team, User
from experiments.tokens import Token, new_token

# A worker sends a heartbeat every ten seconds; it is silent after three missed ones.
SILENT_AFTER = timedelta(seconds=35)


class Pool(models.Model):
    """A named set of worker slots that some teams may use. One RQ queue each."""

    name = models.SlugField(max_length=60, unique=True)
    teams = models.ManyToManyField(Team, related_name="pools", blank=True)
    runners = models.ManyToManyField(
        User,
        related_name="+",
        blank=True,
        verbose_name="people who may run commands",
        help_text="Nobody chosen: all members of its teams. Otherwise only these people"
        " start sweeps on it.",
    )
    price_per_hour = models.DecimalField(
        "price of one slot for an hour",
        max_digits=10,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="In your currency, such as 1.2. Leave empty to show no costs.",
    )
    python = models.CharField(
        "Python of its trials",
        max_length=300,
        blank=True,
        help_text="A command or a path on its hosts, such as /opt/torch/bin/python."
        " Leave empty for the worker's own.",
    )
    folders = models.JSONField(
        "allowed code folders",
        default=list,
        blank=True,
        help_text="Folders on its hosts whose code sweeps may run.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def slots_for(self, gpus: int) -> int:
        """The fewest slots for which a host gives a trial this many GPUs; without such
        a host, one for each GPU."""
        if not gpus:
            return 1
        hosts = self.workers.filter(stopped_at=None)
        needs = (host.slots_for(gpus) for host in hosts)
        return min((need for need in needs if need is not None), default=gpus)


class WorkerToken(models.Model):
    """The credential of a pool's workers. Only the hash of its secret is stored."""

    pool = models.ForeignKey(Pool, models.CASCADE, related_name="tokens")
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.pool} {self.prefix}…"

    @classmethod
    def issue(cls, pool: Pool, *, by: User | None = None) -> Token:
        """A new credential for the pool's workers. Its secret is shown only now."""
        token = new_token("wrk")
        cls.objects.create(
            pool=pool, prefix=token.prefix, digest=token.digest, created_by=by
        )
        return token


class DrainCause(models.TextChoices):
    """Why a host gets no more trials."""

    PERSON = "person"
    # The host asked for it, or cannot stop its processes.
    HOST = "host"
    FAILURES = "failures"
    # Until the host's disk has room again.
    DISK_FULL = "disk_full", "disk full"
    # Until the worker comes back: it is about to leave by itself.
    LEAVING = "leaving"


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self) -> WorkerQuerySet:
        """Workers with a recent heartbeat, by the database's clock."""
        return self.filter(
            stopped_at=None, seen_at__gte=Now() - models.Value(SILENT_AFTER)
        )


class Worker(models.Model):
    """One ``worker`` command on one host, with its slots."""

    pool = models.ForeignKey(Pool, models.CASCADE, related_name="workers")
    name = models.CharField(max_length=100)
    host = models.CharField(max_length=100)
    boot_id = models.CharField(max_length=64, blank=True)
    pid = models.PositiveIntegerField(null=True)
    slots = models.PositiveIntegerField(default=1)
    # The devices in the order of the slots: {"index": 0, "name": "…"}.
    gpus = models.JSONField(default=list, blank=True)
    gpus_per_slot = models.PositiveIntegerField(default=1)
    # Facts about its host: processors, and memory and free disk in bytes.
    facts = models.JSONField(default=dict, blank=True)
    draining_since = models.DateTimeField(null=True, blank=True)
    drain_cause = models.CharField(max_length=10, choices=DrainCause, blank=True)
    # A sentence, or what a person wrote.
    drain_reason = models.CharField(max_length=300, blank=True)
    # The end of its last drain: earlier failures no longer count against it.
    undrained_at = models.DateTimeField(null=True, blank=True)
    version = models.CharField(max_length=30, blank=True)
    python = models.CharField(max_length=30, blank=True)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    stopped_at = models.DateTimeField(null=True, blank=True)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("pool", "name"), name="worker_once_per_pool"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} in {self.pool}"

    def slots_for(self, gpus: int) -> int | None:
        """How many of its slots a trial with this many GPUs takes; None: too few."""
        if not gpus:
            return 1
        need = -(-gpus // self.gpus_per_slot)
        enough = gpus <= len(self.gpus) and need <= self.slots
        return need if enough else None

    def devices_of(self, slot: int) -> list[int]:
        """The indexes of the GPUs that belong to a slot."""
        first = slot * self.gpus_per_slot
        own = self.gpus[first : first + self.gpus_per_slot]
        return [int(device["index"]) for device in own]

    def slots_of(self, devices: Collection[int]) -> set[int]:
        """The slots to which these GPUs belong."""
        owners = {
            int(device["index"]): place // self.gpus_per_slot
            for place, device in enumerate(self.gpus)
        }
        return {owners[device] for device in devices if device in owners}


class SchedulerProcess(models.Model):
    """One ``scheduler`` command. In the database, so a flushed queue loses none."""

    host = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    version = models.CharField(max_length=30, blank=True)
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    stopped_at = models.DateTimeField(null=True, blank=True)
    round_seconds = models.FloatField("its last round took, seconds", default=0.0)
    longest_seconds = models.FloatField(
        "its longest round lately, seconds", default=0.0
    )

    class Meta:
        ordering = ("-heartbeat_at",)
        verbose_name_plural = "scheduler processes"

    def __str__(self) -> str:
        return f"scheduler {self.pid} on {self.host}"
