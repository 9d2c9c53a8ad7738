"""Trials, attempts at running them, and people's requests for more trials."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import models
from django.db.models.functions import Now
from django.urls import reverse

from experiments.models.fields import OrderedJSONField, trash_mark
from experiments.models.sweeps import Experiment, Sweep, SweepState
from experiments.models.teams import User
from experiments.models.workers import Pool, Worker


class TrialState(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    TERMINATED = "terminated", "ended early"
    CANCELLED = "cancelled"
    FAILED = "failed"


TRIAL_LIVE = frozenset({TrialState.QUEUED, TrialState.RUNNING})
TRIAL_ENDS = frozenset(set(TrialState) - TRIAL_LIVE)
# A failed trial is never the best.
TRIAL_RANKED = frozenset(
    {TrialState.COMPLETED, TrialState.TERMINATED, TrialState.CANCELLED}
)
# Nor is one that a failed sweep cut off. The same on pages, in the API and in lists.
IS_RANKED = models.Q(state__in=TRIAL_RANKED, value__isnull=False) & ~models.Q(
    state=TrialState.CANCELLED, sweep__state=SweepState.FAILED
)


class Origin(models.TextChoices):
    """Where a trial's values come from. Samplers name the first seven."""

    RANDOM = "random"
    GRID = "grid"
    SOBOL = "sobol"
    INITIAL_DESIGN = "initial design"
    MODEL = "model"
    EXPLORATION = "exploration"
    CENTRE = "centre"
    # It ran elsewhere, before its sweep began.
    IMPORTED = "imported"
    # Requested by a person.
    RERUN = "rerun", "re-run of"
    RETRY = "retry", "retry of"
    CLONE = "clone", "clone of"
    REPLACEMENT = "replacement", "in place of"
    BY_HAND = "by_hand", "added by hand"


REQUESTED = frozenset(
    {Origin.RERUN, Origin.RETRY, Origin.CLONE, Origin.REPLACEMENT, Origin.BY_HAND}
)


class Configuration(models.Model):
    """Values to try, and where they come from.

    ``source_number`` is the trial whose values these repeat, change or replace.
    """

    params = OrderedJSONField(default=dict)
    origin = models.CharField(max_length=40, choices=Origin, blank=True)
    source_number = models.PositiveIntegerField(null=True, blank=True)
    # No policy may end it early.
    runs_to_end = models.BooleanField(default=False)

    class Meta:
        abstract = True

    @property
    def is_requested(self) -> bool:
        """Whether a person requested it, and no sampler chose it."""
        return self.origin in REQUESTED

    @property
    def repeats(self) -> int | None:
        """The number of the trial that it runs again with the same values."""
        again = self.origin in (Origin.RERUN, Origin.RETRY)
        return self.source_number if again else None

    @property
    def origin_text(self) -> str:
        """The origin as the API names it, such as ``re-run of 12, to its end``."""
        if not self.is_requested:
            return self.origin
        number = "" if self.source_number is None else f" {self.source_number}"
        end = ", to its end" if self.runs_to_end else ""
        return f"{Origin(self.origin).label}{number}{end}"


class TrialQuerySet(models.QuerySet["Trial"]):
    def kept(self) -> TrialQuerySet:
        """Without those of sweeps in the trash, and runs there."""
        return self.filter(
            sweep__deletion_requested_at=None, run__deleted_at__isnull=True
        )

    def own(self) -> TrialQuerySet:
        """Without imported trials."""
        return self.exclude(origin=Origin.IMPORTED)

    def requested(self) -> TrialQuerySet:
        """Those that people requested."""
        return self.filter(origin__in=REQUESTED)

    def next_number(self) -> int:
        """One more than the highest number; 0 if there are no trials."""
        last = self.aggregate(last=models.Max("number"))["last"]
        return 0 if last is None else int(last) + 1

    def live(self) -> TrialQuerySet:
        return self.filter(state__in=TRIAL_LIVE)

    def best_first(self, goal: str) -> TrialQuerySet:
        """By value, best first, those without a value last; then by number."""
        value = models.F("value")
        order = value.desc if goal == "maximize" else value.asc
        return self.order_by(order(nulls_last=True), "number")

    def ranked(self, goal: str) -> TrialQuerySet:
        """The trials that can be the best, best first."""
        return self.filter(IS_RANKED).best_first(goal)

    def leaders(self, goal: str, *, by: Sequence[str] = ("number",)) -> TrialQuerySet:
        """Trials that beat all before them in their sweep, in the order ``by``; by a
        window, so that only these leave the database. ``score``: the value that counts.
        """
        best = models.Max if goal == "maximize" else models.Min
        before = models.Window(
            best("score"),
            partition_by="sweep",
            order_by=by,
            frame=models.RowRange(end=-1),
        )
        score = models.Case(models.When(IS_RANKED, then="value"))
        beats = "score__gt" if goal == "maximize" else "score__lt"
        return self.annotate(score=score, before=before).filter(
            models.Q(before=None, score__isnull=False)
            | models.Q(**{beats: models.F("before")})
        )


class Trial(Configuration):
    """One configuration of a sweep, or a run logged by hand when it has no sweep."""

    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="trials")
    sweep = models.ForeignKey(
        Sweep, models.CASCADE, null=True, blank=True, related_name="trials"
    )
    number = models.PositiveIntegerField()

    state = models.CharField(
        max_length=10, choices=TrialState, default=TrialState.QUEUED
    )
    reason = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)
    stop_reason = models.CharField(max_length=40, blank=True)
    stop_message = models.TextField(blank=True)
    current_attempt = models.ForeignKey(
        "Attempt", models.SET_NULL, null=True, blank=True, related_name="+"
    )

    # Updated by ingest.py at each report of the primary metric, in its own sign.
    reports = models.PositiveIntegerField(default=0)
    value = models.FloatField(null=True, blank=True)
    value_report = models.PositiveIntegerField(null=True, blank=True)
    last_value = models.FloatField(null=True, blank=True)
    # The version of its newest report that a policy may judge; see ReportVersion.
    stamp = models.BigIntegerField(default=0, editable=False)

    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # Since then a person has hidden it from the table; it still counts.
    archived_at = models.DateTimeField(null=True, blank=True)
    # When outputs of it were last moved to the trash.
    outputs_removed_at = models.DateTimeField(null=True, blank=True)

    objects = TrialQuerySet.as_manager()

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(
                fields=("sweep", "number"), name="trial_number_once"
            ),
            models.UniqueConstraint(
                fields=("experiment", "number"),
                condition=models.Q(sweep=None),
                name="run_number_once",
            ),
        )
        indexes = (
            models.Index(fields=("sweep", "state", "number"), name="trial_by_state"),
            models.Index(fields=("sweep", "value"), name="trial_by_best"),
            models.Index(fields=("sweep", "updated_at"), name="trial_by_change"),
            models.Index(fields=("sweep", "stamp"), name="trial_by_stamp"),
        )

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """Its name, such as ``digits-3/17``; of a single run, the one it was given."""
        return f"{self.sweep.label}/{self.number}" if self.sweep else self.run.name

    @property
    def has_ended(self) -> bool:
        return self.state in TRIAL_ENDS

    @property
    def is_stopping(self) -> bool:
        return bool(self.stop_reason) and not self.has_ended

    def get_absolute_url(self) -> str:
        name = "trial_detail" if self.sweep_id else "run_detail"
        return reverse(name, args=(self.pk,))


class AttemptState(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    LOST = "lost"


class Attempt(models.Model):
    """One attempt at running a trial. It is the fencing token: everything that a worker
    sends names its attempt, and is refused once that no longer runs."""

    trial = models.ForeignKey(Trial, models.CASCADE, related_name="attempts")
    n = models.PositiveIntegerField()
    state = models.CharField(
        max_length=10, choices=AttemptState, default=AttemptState.QUEUED
    )
    reason = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)
    # Which outputs could not be stored, and why.
    not_kept = models.TextField(blank=True)
    # Refused points and losses, as MissingData; NULL: the results are complete.
    missing = models.JSONField(null=True, blank=True, editable=False)
    # Of the last batches that had points without a time: their keys, hashed.
    batches = models.BinaryField(default=b"", editable=False)
    # NULL: a single run.
    pool = models.ForeignKey(
        Pool, models.PROTECT, null=True, blank=True, related_name="attempts"
    )
    worker = models.ForeignKey(
        Worker, models.SET_NULL, null=True, blank=True, related_name="attempts"
    )
    slot = models.PositiveIntegerField(null=True, blank=True)
    # How many slots it takes, and the indexes of its GPUs.
    slots = models.PositiveIntegerField(default=1)
    gpus = models.JSONField(default=list, blank=True)
    # The host that was last notified of it, while it is queued.
    dispatched_to = models.ForeignKey(
        Worker, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # What its runner does before training, such as "builds the environment".
    phase = models.CharField(max_length=100, blank=True)
    pid = models.PositiveIntegerField(null=True, blank=True)
    # The name of the program that asked for the trial, if no worker runs it.
    client = models.CharField(max_length=200, blank=True)
    trial_token_digest = models.CharField(max_length=64, blank=True)
    runner_token_digest = models.CharField(max_length=64, blank=True)

    created_at = models.DateTimeField(db_default=Now())
    dispatched_at = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    # Since then it has to stop; its trial is queued again, at no cost.
    release_requested_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # Since then its points are in full segments; see tracking/compaction.py.
    compacted_at = models.DateTimeField(null=True, blank=True, editable=False)

    # The n of the attempt whose outputs it continues from, and how many files.
    resumed_from = models.PositiveIntegerField(null=True, blank=True)
    resumed_files = models.PositiveIntegerField(default=0)
    elapsed = models.FloatField("training time, seconds", null=True, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    signal = models.IntegerField(null=True, blank=True)
    peak_memory = models.PositiveBigIntegerField(null=True, blank=True)
    # Of a failure: its error with ‹blanks› for what varies, and the group's key.
    error = models.CharField(max_length=500, blank=True)
    signature = models.CharField(max_length=16, blank=True)
    log_chunks = models.PositiveIntegerField(default=0)
    log_bytes = models.PositiveBigIntegerField(default=0)
    log_dropped = models.PositiveBigIntegerField(default=0)
    log_trash = trash_mark()
    # Since then its log is in the trash, or deleted.
    log_removed_at = models.DateTimeField(null=True, blank=True)
    # The item that will thin the points of its other metrics. Afterwards one of
    # `thinned` points is left.
    points_trash = trash_mark()
    thinned = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ("n",)
        constraints = (
            models.UniqueConstraint(fields=("trial", "n"), name="attempt_n_once"),
        )
        indexes = (
            models.Index(fields=("state", "heartbeat_at"), name="attempt_by_beat"),
            models.Index(fields=("worker", "slot", "state"), name="attempt_by_slot"),
            models.Index(
                fields=("trial_token_digest",),
                condition=~models.Q(trial_token_digest=""),
                name="attempt_by_token",
            ),
            models.Index(
                fields=("trial",),
                condition=models.Q(missing__isnull=False),
                name="attempt_incomplete",
            ),
            models.Index(
                fields=("ended_at",),
                condition=models.Q(ended_at__isnull=False, compacted_at__isnull=True),
                name="attempt_to_compact",
            ),
            models.Index(
                fields=("log_trash",),
                condition=models.Q(log_trash__isnull=False),
                name="log_in_trash",
            ),
            models.Index(
                fields=("points_trash",),
                condition=models.Q(points_trash__isnull=False),
                name="points_in_trash",
            ),
        )

    def __str__(self) -> str:
        return f"{self.trial} attempt {self.n}"


class TrialRequestQuerySet(models.QuerySet["TrialRequest"]):
    def waiting(self) -> TrialRequestQuerySet:
        """Those that have not begun and were not withdrawn."""
        return self.filter(begun_at=None, withdrawn_at=None)


class TrialRequest(Configuration):
    """A person's request for one more trial with given values, beyond the budget.

    Its trial gets the same origin. It is carried out once: it then has ``begun_at``
    and the trial's ``number``, which stay when the trial is deleted.
    """

    sweep = models.ForeignKey(Sweep, models.CASCADE, related_name="requests")
    requested_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    requested_at = models.DateTimeField(db_default=Now())
    trial = models.OneToOneField(
        Trial, models.SET_NULL, null=True, blank=True, related_name="request"
    )
    number = models.PositiveIntegerField(null=True, blank=True)
    begun_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = TrialRequestQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        verbose_name_plural = "trial requests"
        indexes = (
            models.Index(
                fields=("sweep",),
                condition=models.Q(begun_at=None, withdrawn_at=None),
                name="request_waiting",
            ),
        )

    def __str__(self) -> str:
        return f"{self.sweep} {self.origin_text}"
