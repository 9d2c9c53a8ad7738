"""What was marked to be deleted, and runs in the trash, become items of the trash."""

from datetime import timedelta

from django.conf import settings
from django.db import migrations
from django.db.models import Sum
from django.utils import timezone


def make_items(apps, schema_editor):
    model = {
        name: apps.get_model('experiments', name)
        for name in ('Sweep', 'Run', 'Team', 'Artifact', 'Attempt', 'TrashItem')
    }
    _sweeps(model)
    _runs(model)
    for team in model['Team'].objects.all():
        _files(model, team)


def _sweeps(model):
    """Nobody expects to be able to restore these."""
    marked = model['Sweep'].objects.filter(deletion_requested_at__isnull=False)
    for sweep in marked.select_related('experiment'):
        at = sweep.deletion_requested_at
        model['TrashItem'].objects.create(
            kind='sweep', name=f'{sweep.experiment.slug}-{sweep.number}', sweep=sweep,
            team_id=sweep.experiment.team_id, moved_at=at, until=at,
            trials=sweep.trials.count(),
        )


def _runs(model):
    days = timedelta(days=settings.TRASH_DAYS)
    trashed = model['Run'].objects.filter(
        deleted_at__isnull=False, trial__sweep=None
    )
    for run in trashed.select_related('trial__experiment'):
        model['TrashItem'].objects.create(
            kind='run', name=run.name, trial=run.trial, trials=1,
            team_id=run.trial.experiment.team_id, moved_at=run.deleted_at,
            until=run.deleted_at + days,
        )


def _files(model, team):
    """Outputs and logs of trials whose files were to be deleted."""
    marked = {'trial__experiment__team': team, 'trial__outputs_removed_at__isnull': False}
    attempts = model['Attempt'].objects.filter(**marked)
    files = model['Artifact'].objects.filter(
        **{f'attempt__{name}': value for name, value in marked.items()}
    )
    now = timezone.now()
    for kind, rows, size, field in (
        ('artifacts', files, 'size', 'trash'),
        ('logs', attempts, 'log_bytes', 'log_trash'),
    ):
        if not rows.exists():
            continue
        item = model['TrashItem'].objects.create(
            kind=kind, name=f'{kind} of trials', team=team, moved_at=now, until=now,
            files=rows.count(), bytes=rows.aggregate(n=Sum(size))['n'] or 0,
        )
        rows.update(**{field: item})
    # Subqueries, as an UPDATE has no joins.
    attempts.update(log_removed_at=now)


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0021_trash'),
    ]

    operations = [
        migrations.RunPython(make_items, migrations.RunPython.noop),
    ]
