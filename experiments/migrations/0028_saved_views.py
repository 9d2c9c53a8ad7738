
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0027_reportlink'),
    ]

    operations = [
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('page', models.CharField(choices=[('experiment', 'Experiment'), ('trials', 'Trials'), ('charts', 'Charts')], max_length=10)),
                ('name', models.CharField(max_length=60)),
                ('query', models.TextField(blank=True)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('experiment', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='saved_views', to='experiments.experiment')),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('name', 'pk'),
                'constraints': [models.UniqueConstraint(fields=('experiment', 'page', 'owner', 'name'), name='own_view_once'), models.UniqueConstraint(condition=models.Q(('owner', None)), fields=('experiment', 'page', 'name'), name='team_view_once')],
            },
        ),
    ]
