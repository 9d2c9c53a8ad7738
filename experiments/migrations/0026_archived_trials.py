
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0025_quota_warning'),
    ]

    operations = [
        migrations.AddField(
            model_name='trial',
            name='archived_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
