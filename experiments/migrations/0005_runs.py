
import django.db.models.deletion
import experiments.models.fields
import experiments.models.sweeps
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0004_login_limits'),
    ]

    operations = [
        migrations.AlterField(
            model_name='attempt',
            name='pool',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='attempts', to='experiments.pool'),
        ),
        migrations.CreateModel(
            name='Run',
            fields=[
                ('trial', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='run', serialize=False, to='experiments.trial')),
                ('name', models.CharField(blank=True, max_length=250)),
                ('note', models.TextField(blank=True)),
                ('params', experiments.models.fields.OrderedJSONField(blank=True, default=dict)),
                ('tags', experiments.models.fields.OrderedJSONField(blank=True, default=dict)),
                ('inputs', models.JSONField(blank=True, default=list)),
                ('outputs', models.JSONField(blank=True, default=list)),
                ('environment', models.JSONField(blank=True, default=dict)),
                ('deleted_at', models.DateTimeField(blank=True, null=True)),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('parent', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='child_runs', to='experiments.trial')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('deleted_at__isnull', False)), fields=['deleted_at'], name='run_in_trash')],
            },
            bases=(experiments.models.sweeps.Created, models.Model),
        ),
    ]
