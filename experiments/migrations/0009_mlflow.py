import django.db.models.deletion
import django.db.models.functions.datetime
import experiments.models.fields
import experiments.models.logged_models
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0008_batches_and_versions'),
    ]

    operations = [
        migrations.CreateModel(
            name='LoggedModel',
            fields=[
                ('id', models.CharField(default=experiments.models.logged_models.new_model_id, max_length=34, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=500)),
                ('kind', models.CharField(blank=True, max_length=500, verbose_name='model type')),
                ('status', models.CharField(choices=[('LOGGED_MODEL_PENDING', 'Pending'), ('LOGGED_MODEL_READY', 'Ready'), ('LOGGED_MODEL_UPLOAD_FAILED', 'Upload Failed')], default='LOGGED_MODEL_PENDING', max_length=30)),
                ('params', experiments.models.fields.OrderedJSONField(blank=True, default=dict)),
                ('tags', experiments.models.fields.OrderedJSONField(blank=True, default=dict)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ('-created_at', 'id'),
            },
        ),
        migrations.AddField(
            model_name='experiment',
            name='mlflow_tags',
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(condition=models.Q(('trial_token_digest', ''), _negated=True), fields=['trial_token_digest'], name='attempt_by_token'),
        ),
        migrations.AddField(
            model_name='loggedmodel',
            name='attempt',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='logged_models', to='experiments.attempt'),
        ),
        migrations.AddField(
            model_name='loggedmodel',
            name='experiment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='logged_models', to='experiments.experiment'),
        ),
        migrations.AddField(
            model_name='loggedmodel',
            name='source_run',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='logged_models', to='experiments.trial'),
        ),
    ]
