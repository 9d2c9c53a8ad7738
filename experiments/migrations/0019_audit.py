"""Events store names, and outlive what they are about."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Coalesce, Concat, Left


def fill(apps, schema_editor):
    """What earlier events are about, by the names of today."""
    Event, Sweep, Trial, Run, Team, User = (
        apps.get_model('experiments', name)
        for name in ('Event', 'Sweep', 'Trial', 'Run', 'Team', 'User')
    )

    def name_of(rows, pk, path):
        return Coalesce(
            Subquery(rows.filter(pk=OuterRef(pk)).values(path)[:1]), Value('')
        )

    label = Concat(F('experiment__slug'), Value('-'), Cast('number', models.CharField(max_length=20)))
    sweeps = Sweep._base_manager.annotate(label=label).order_by()
    ones = Trial._base_manager.annotate(
        label=Concat(
            F('sweep__experiment__slug'), Value('-'),
            Cast('sweep__number', models.CharField(max_length=20)), Value('/'),
            Cast('number', models.CharField(max_length=20)),
        )
    ).order_by()
    teams = Team._base_manager.order_by()
    Event.objects.update(
        actor_name=name_of(User._base_manager.order_by(), 'actor_id', 'username'),
        team_name=name_of(teams, 'team_id', 'name'),
        via='',
    )
    about_team = Event.objects.filter(team__isnull=False, sweep=None, trial=None)
    about_team.update(object_kind='team', object_name=F('team_name'))
    about_sweep = Event.objects.filter(sweep__isnull=False, trial=None)
    about_sweep.update(
        object_kind='sweep', object_name=name_of(sweeps, 'sweep_id', 'label')
    )
    about_trial = Event.objects.filter(sweep__isnull=False, trial__isnull=False)
    about_trial.update(
        object_kind='trial', object_name=name_of(ones, 'trial_id', 'label')
    )
    runs = Run._base_manager.order_by()
    Event.objects.filter(sweep=None, trial__isnull=False).update(
        object_kind='run',
        object_name=Coalesce(
            Subquery(runs.filter(trial=OuterRef('trial_id')).values(cut=Left('name', 200))[:1]),
            Value(''),
        ),
    )
    move_changes(Event)


def move_changes(Event):
    for event in Event.objects.filter(data__has_key='after').iterator():
        event.before, event.after = event.data.pop('before', {}), event.data.pop('after')
        event.save(update_fields=('before', 'after', 'data'))


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0018_accounts'),
    ]

    operations = [
        migrations.AddField(
            model_name='event',
            name='actor_name',
            field=models.CharField(blank=True, max_length=150),
        ),
        migrations.AddField(
            model_name='event',
            name='address',
            field=models.CharField(blank=True, max_length=45),
        ),
        migrations.AddField(
            model_name='event',
            name='after',
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name='event',
            name='before',
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name='event',
            name='object_kind',
            field=models.CharField(blank=True, max_length=60),
        ),
        migrations.AddField(
            model_name='event',
            name='object_name',
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name='event',
            name='request_id',
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name='event',
            name='team_name',
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AddField(
            model_name='event',
            name='via',
            field=models.CharField(default='sweepsite', max_length=120),
        ),
        migrations.AlterField(
            model_name='event',
            name='actor',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='event',
            name='created_at',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True),
        ),
        migrations.AlterField(
            model_name='event',
            name='sweep',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='experiments.sweep'),
        ),
        migrations.AlterField(
            model_name='event',
            name='team',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='experiments.team'),
        ),
        migrations.AlterField(
            model_name='event',
            name='trial',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='experiments.trial'),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
