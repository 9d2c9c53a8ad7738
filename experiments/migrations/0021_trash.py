
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0020_second_factors'),
    ]

    operations = [
        migrations.CreateModel(
            name='CleanupRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('selection', models.JSONField(default=dict)),
                ('enabled', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('bytes', models.PositiveBigIntegerField(blank=True, null=True)),
                ('measured_at', models.DateTimeField(blank=True, null=True)),
                ('last_run_at', models.DateTimeField(blank=True, null=True)),
                ('last_bytes', models.PositiveBigIntegerField(blank=True, null=True)),
                ('problem', models.TextField(blank=True)),
            ],
            options={
                'ordering': ('team', 'pk'),
            },
        ),
        migrations.CreateModel(
            name='TrashItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('experiment', 'Experiment'), ('sweep', 'Sweep'), ('run', 'Run'), ('artifacts', 'Artifacts'), ('logs', 'Logs'), ('log middles', 'the middle of long logs'), ('metrics', 'points of other metrics'), ('code', 'uploaded code')], max_length=20)),
                ('name', models.CharField(max_length=600)),
                ('keep', models.PositiveBigIntegerField(blank=True, null=True)),
                ('trials', models.PositiveIntegerField(default=0)),
                ('files', models.PositiveIntegerField(default=0)),
                ('bytes', models.PositiveBigIntegerField(default=0)),
                ('freed', models.PositiveBigIntegerField(default=0)),
                ('moved_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('until', models.DateTimeField(blank=True, null=True)),
                ('began_at', models.DateTimeField(blank=True, null=True)),
                ('stopped_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ('until', 'pk'),
            },
        ),
        migrations.RemoveIndex(
            model_name='trial',
            name='trial_files_to_delete',
        ),
        migrations.RenameField(
            model_name='trial',
            old_name='files_deletion_requested_at',
            new_name='outputs_removed_at',
        ),
        migrations.RemoveField(
            model_name='trial',
            name='files_deleted_at',
        ),
        migrations.AddField(
            model_name='attempt',
            name='log_removed_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='attempt',
            name='thinned',
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='experiment',
            name='deletion_requested_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='cleanuprule',
            name='created_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='cleanuprule',
            name='team',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='cleanup_rules', to='experiments.team'),
        ),
        migrations.AddField(
            model_name='trashitem',
            name='experiment',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='trash', to='experiments.experiment'),
        ),
        migrations.AddField(
            model_name='trashitem',
            name='moved_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='trashitem',
            name='rule',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='moved', to='experiments.cleanuprule'),
        ),
        migrations.AddField(
            model_name='trashitem',
            name='sweep',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='trash', to='experiments.sweep'),
        ),
        migrations.AddField(
            model_name='trashitem',
            name='team',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trash', to='experiments.team'),
        ),
        migrations.AddField(
            model_name='trashitem',
            name='trial',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='trash', to='experiments.trial'),
        ),
        migrations.AddField(
            model_name='artifact',
            name='trash',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='experiments.trashitem'),
        ),
        migrations.AddField(
            model_name='attempt',
            name='log_trash',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='experiments.trashitem'),
        ),
        migrations.AddField(
            model_name='attempt',
            name='points_trash',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='experiments.trashitem'),
        ),
        migrations.AddField(
            model_name='codesnapshot',
            name='trash',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='experiments.trashitem'),
        ),
        migrations.AddIndex(
            model_name='artifact',
            index=models.Index(condition=models.Q(('trash__isnull', False)), fields=['trash'], name='artifact_in_trash'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(condition=models.Q(('log_trash__isnull', False)), fields=['log_trash'], name='log_in_trash'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(condition=models.Q(('points_trash__isnull', False)), fields=['points_trash'], name='points_in_trash'),
        ),
        migrations.AddIndex(
            model_name='codesnapshot',
            index=models.Index(condition=models.Q(('trash__isnull', False)), fields=['trash'], name='code_in_trash'),
        ),
        migrations.AddIndex(
            model_name='trashitem',
            index=models.Index(fields=['until'], name='trash_by_end'),
        ),
    ]
