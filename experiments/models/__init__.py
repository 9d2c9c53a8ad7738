"""The tables. Only lifecycle/ changes states."""

from __future__ import annotations

from experiments.models.credentials import (
    ApiToken,
    IdempotencyKey,
    Invitation,
    ReportLink,
)
from experiments.models.environments import EnvironmentPart
from experiments.models.events import Event, LogForwarding
from experiments.models.logged_models import LoggedModel
from experiments.models.metrics import (
    Artifact,
    Decision,
    Metric,
    ReportVersion,
    Segment,
)
from experiments.models.notifications import (
    ChannelKind,
    ExperimentWatch,
    Notification,
    NotificationChannel,
    NotificationDelivery,
    NotificationKind,
)
from experiments.models.runs import Run
from experiments.models.saved_forms import (
    DismissedAdvice,
    SavedForm,
    SavedView,
    SweepTemplate,
)
from experiments.models.sweeps import CodeSnapshot, Experiment, SpaceVersion, Sweep
from experiments.models.teams import (
    BrowserSession,
    LoginLimit,
    Membership,
    Team,
    User,
)
from experiments.models.trash import (
    CleanupRule,
    CleanupTask,
    Removable,
    TrashItem,
)
from experiments.models.trials import Attempt, Trial, TrialRequest
from experiments.models.usage import Orphan, SpaceUsage
from experiments.models.workers import Pool, SchedulerProcess, Worker, WorkerToken
