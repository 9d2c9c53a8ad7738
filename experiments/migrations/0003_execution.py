"""Pools with rules of their own, hosts with GPUs and drains, priorities, spaces that change."""

from collections import Counter

import django.db.models.deletion
import django.db.models.functions.datetime
import experiments.models.fields
from django.conf import settings
from django.db import migrations, models


def keep_waiting_reruns(apps, schema_editor):
    """Trials that were to run again stood in events until now."""
    Event, Trial, Wish = (
        apps.get_model("experiments", name) for name in ("Event", "Trial", "Wish")
    )
    events = Event.objects.filter(
        verb="trials to run again", sweep__state__in=("running", "paused")
    )
    wanted = Counter(
        (event.sweep_id, number, bool(event.data.get("to_end")), event.actor_id)
        for event in events.order_by("pk")
        for number in event.data.get("trials", ())
    )
    begun = Counter(
        Trial.objects.filter(
            sweep__in={key[0] for key in wanted}, origin__startswith="re-run of "
        ).values_list("sweep", "origin")
    )
    for (sweep, number, to_end, actor), count in wanted.items():
        origin = f"re-run of {number}{', to its end' if to_end else ''}"
        first = Trial.objects.filter(sweep=sweep, number=number).first()
        for _ in range(count if first else 0):
            if begun[sweep, origin]:
                begun[sweep, origin] -= 1
                continue
            Wish.objects.create(
                sweep_id=sweep, params=first.params, origin=origin, asked_by_id=actor
            )


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0002_early_termination'),
    ]

    operations = [
        migrations.AddField(
            model_name='artifact',
            name='whole',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='attempt',
            name='resumed_files',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='attempt',
            name='resumed_from',
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='attempt',
            name='client',
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name='attempt',
            name='error',
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name='attempt',
            name='signature',
            field=models.CharField(blank=True, max_length=16),
        ),
        migrations.AddField(
            model_name='attempt',
            name='rung_for',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='experiments.worker'),
        ),
        migrations.AddField(
            model_name='attempt',
            name='gpus',
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name='attempt',
            name='phase',
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AddField(
            model_name='attempt',
            name='release_asked_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='attempt',
            name='slots',
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name='pool',
            name='folders',
            field=models.JSONField(blank=True, default=list, help_text='Folders of its hosts from which sweeps may run code where it lies.', verbose_name='allowed code folders'),
        ),
        migrations.AddField(
            model_name='pool',
            name='python',
            field=models.CharField(blank=True, help_text="A command or a path on its hosts, such as /opt/torch/bin/python. Empty: the worker's own.", max_length=300, verbose_name='Python of its trials'),
        ),
        migrations.AddField(
            model_name='sweep',
            name='code_commit',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='sweep',
            name='idle',
            field=models.FloatField(default=0, verbose_name='idle, seconds'),
        ),
        migrations.AddField(
            model_name='sweep',
            name='launches',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='sweep',
            name='preflight',
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='sweep',
            name='priority',
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='sweep',
            name='space_version',
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name='worker',
            name='drain_reason',
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name='worker',
            name='draining_since',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='worker',
            name='undrained_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='worker',
            name='facts',
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name='worker',
            name='gpus',
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name='worker',
            name='gpus_per_slot',
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.CreateModel(
            name='SchedulerProcess',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('host', models.CharField(max_length=100)),
                ('pid', models.PositiveIntegerField()),
                ('version', models.CharField(blank=True, max_length=30)),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ticked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('stopped_at', models.DateTimeField(blank=True, null=True)),
                ('round_seconds', models.FloatField(default=0.0, verbose_name='its last round took, seconds')),
                ('longest_seconds', models.FloatField(default=0.0, verbose_name='its longest round lately, seconds')),
            ],
            options={
                'verbose_name_plural': 'scheduler processes',
                'ordering': ('-ticked_at',),
            },
        ),
        migrations.CreateModel(
            name='SpaceVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField()),
                ('document', experiments.models.fields.OrderedJSONField()),
                ('until', models.PositiveIntegerField()),
                ('changed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('changed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('sweep', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='space_versions', to='experiments.sweep')),
            ],
            options={
                'ordering': ('version',),
                'constraints': [models.UniqueConstraint(fields=('sweep', 'version'), name='space_version_once')],
            },
        ),
        migrations.CreateModel(
            name='Wish',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('params', experiments.models.fields.OrderedJSONField(default=dict)),
                ('origin', models.CharField(max_length=40)),
                ('asked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('number', models.PositiveIntegerField(blank=True, null=True)),
                ('begun_at', models.DateTimeField(blank=True, null=True)),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True)),
                ('asked_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('sweep', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='wishes', to='experiments.sweep')),
                ('trial', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='wish', to='experiments.trial')),
            ],
            options={
                'verbose_name_plural': 'wishes',
                'ordering': ('pk',),
                'indexes': [models.Index(condition=models.Q(('begun_at', None), ('withdrawn_at', None)), fields=['sweep'], name='wish_waiting')],
            },
        ),
        migrations.RunPython(keep_waiting_reruns, migrations.RunPython.noop),
    ]
