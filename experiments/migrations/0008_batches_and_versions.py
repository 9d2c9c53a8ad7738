import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0007_series'),
    ]

    operations = [
        migrations.CreateModel(
            name='ReportVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.BigIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name='attempt',
            name='batches',
            field=models.BinaryField(default=b''),
        ),
        migrations.AddField(
            model_name='metric',
            name='collected',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='trial',
            name='stamp',
            field=models.BigIntegerField(default=0, editable=False),
        ),
        migrations.AlterField(
            model_name='decision',
            name='attempt',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='decisions', to='experiments.attempt'),
        ),
        migrations.AlterField(
            model_name='decision',
            name='trial',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='decisions', to='experiments.trial'),
        ),
        migrations.AddIndex(
            model_name='trial',
            index=models.Index(fields=['sweep', 'stamp'], name='trial_by_stamp'),
        ),
        migrations.AddField(
            model_name='reportversion',
            name='sweep',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='report_version', to='experiments.sweep'),
        ),
    ]
