"""Adds where series of points are stored from now on; the next one fills it."""

import django.db.models.deletion
from django.db import migrations, models

# A metric's row is rewritten with each report, in the same page while that has room.
# Segments are compressed already.
STORAGE = (
    'ALTER TABLE experiments_metric SET (fillfactor = 50)',
    'ALTER TABLE experiments_metric ALTER COLUMN tail SET STORAGE MAIN',
    'ALTER TABLE experiments_segment ALTER COLUMN data SET STORAGE EXTERNAL',
)


def set_storage(apps, schema_editor):
    if schema_editor.connection.vendor == 'postgresql':
        for statement in STORAGE:
            schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0006_environment_parts'),
    ]

    operations = [
        migrations.AddField(
            model_name='attempt',
            name='compacted_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(condition=models.Q(('compacted_at__isnull', True), ('ended_at__isnull', False)), fields=['ended_at'], name='attempt_to_compact'),
        ),
        migrations.AddField(
            model_name='metric',
            name='last_time',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='metric',
            name='tail',
            field=models.BinaryField(default=b''),
        ),
        # The data last: what is after it is read through all of its pages.
        migrations.CreateModel(
            name='Segment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('metric', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='segments', to='experiments.metric')),
                ('first', models.PositiveIntegerField()),
                ('count', models.PositiveIntegerField()),
                ('low_step', models.BigIntegerField()),
                ('high_step', models.BigIntegerField()),
                ('low_time', models.BigIntegerField()),
                ('high_time', models.BigIntegerField()),
                ('low', models.FloatField(null=True)),
                ('high', models.FloatField(null=True)),
                ('data', models.BinaryField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('metric', 'first'), name='segment_place_once')],
            },
        ),
        migrations.RunPython(set_storage, migrations.RunPython.noop),
    ]
