from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0023_audit_log'),
    ]

    operations = [
        migrations.AddField(
            model_name='experiment',
            name='open_to_all',
            field=models.BooleanField(default=False, help_text='All people of this site see its sweeps, runs, metrics, logs and outputs, and change nothing.', verbose_name='everybody may read it'),
        ),
        migrations.AddField(
            model_name='pool',
            name='runners',
            field=models.ManyToManyField(blank=True, help_text='Nobody chosen: all members of its teams. Otherwise only these people start sweeps on it.', related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='people who may run commands'),
        ),
    ]
