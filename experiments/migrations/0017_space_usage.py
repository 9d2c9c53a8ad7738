import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0016_saved_forms'),
    ]

    operations = [
        migrations.AddField(
            model_name='team',
            name='over_quota_since',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='team',
            name='quota_bytes',
            field=models.PositiveBigIntegerField(blank=True, null=True, verbose_name='quota, bytes'),
        ),
        migrations.CreateModel(
            name='Orphan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('attempt', 'logs and outputs of deleted trials'), ('code', 'code that no team has'), ('recording', 'recordings of deleted sweeps'), ('unfinished', 'unfinished uploads'), ('missing', 'outputs whose file is missing')], max_length=10)),
                ('name', models.CharField(max_length=200)),
                ('bytes', models.PositiveBigIntegerField(default=0)),
                ('files', models.PositiveBigIntegerField(default=0)),
                ('found_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ('-bytes', 'kind', 'name'),
                'constraints': [models.UniqueConstraint(fields=('kind', 'name'), name='orphan_once')],
            },
        ),
        migrations.CreateModel(
            name='SpaceUsage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('measured_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('kind', models.CharField(choices=[('artifacts', 'Artifacts'), ('logs', 'Logs'), ('metrics', 'Metrics'), ('code', 'Code'), ('caches', 'Caches'), ('trash', 'Trash'), ('database', 'Database'), ('orphans', 'Orphans')], max_length=10)),
                ('bytes', models.PositiveBigIntegerField(default=0)),
                ('files', models.PositiveBigIntegerField(default=0)),
                ('rows', models.PositiveBigIntegerField(default=0)),
                ('experiment', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='experiments.experiment')),
                ('owner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('sweep', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='experiments.sweep')),
                ('team', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='space_usage', to='experiments.team')),
            ],
            options={
                'verbose_name_plural': 'space usage',
                'indexes': [models.Index(fields=['team', 'day'], name='space_by_team'), models.Index(fields=['day'], name='space_by_day')],
            },
        ),
    ]
