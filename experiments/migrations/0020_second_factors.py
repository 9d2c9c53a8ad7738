
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0019_audit'),
    ]

    operations = [
        migrations.AddField(
            model_name='team',
            name='requires_second_factor',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='user',
            name='factor_due_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='must_change_password',
            field=models.BooleanField(default=False),
        ),
    ]
